import type { Scenario, SelfDiagnosisCheck } from "../host/index.ts";
import type { RunEvent } from "../pipeline/index.ts";
import { findingLines } from "./diagnosis-screen.ts";
import { block, coverageText } from "./facts-screen.ts";
import { historyScreen } from "./history-screen.ts";
import type { ProgressLine } from "./progress.ts";
import { bold, count, counted, dim, duration, green, red, size, wrap } from "./style.ts";

/** Everything that belongs to a boot stands below its line, under one column of labels. */
const below = (lines: readonly string[]): string[] => lines.map((line) => `         ${line}`);

/** Columns of the text beside the label. */
const SELF_DUMP_WIDTH = 100;

const entry = (label: string, text: string): string[] => below(block(label, [text]));

/** Prints a run as it happens: one block a boot, the verdict last. */
export class RunTimeline {
  private readonly print: (line: string) => void;
  private readonly progress: ProgressLine;

  constructor(print: (line: string) => void, progress: ProgressLine) {
    this.print = print;
    this.progress = progress;
  }

  show(event: RunEvent): void {
    if (event.kind === "progress") {
      this.progress.update(event.progress);
      return;
    }
    this.progress.clear();
    for (const line of lines(event)) this.print(line);
  }
}

function lines(event: Exclude<RunEvent, { kind: "progress" }>): string[] {
  switch (event.kind) {
    case "host": {
      const partitions = event.host
        .partitions()
        .map(({ name, policy }) => (policy.dump === "stateless" ? `${name} (stateless)` : name));
      return [
        "",
        `  ${bold(event.host.name)} · ${event.scenario} · seed ${event.seed} · ${partitions.join(", ")} · dump agent in its own partition`,
        "",
      ];
    }
    case "crashed": {
      const { partition, atSeconds, stopCode } = event.notice;
      const code = `0x${stopCode.toString(16).toUpperCase()}`;
      return [
        `  ${bold(`boot ${event.boot}`.padEnd(8))} ${partition} stopped at ${atSeconds.toFixed(1)} s   ${red(code)} ${event.name ?? ""}`.trimEnd(),
      ];
    }
    case "live-dump": {
      const { partition, atSeconds } = event.notice;
      return [
        `  ${bold(`boot ${event.boot}`.padEnd(8))} ${partition} dumped at ${atSeconds.toFixed(1)} s, and goes on`,
      ];
    }
    case "recorded":
      return recordedLines(event);
    case "self-dump": {
      const { bytes, seconds, failure } = event.dump;
      const text =
        failure === null
          ? `${size(bytes)} in ${event.partition}'s page file after ${duration(seconds)}`
          : `none: ${failure}`;
      return below(block("self-dump", wrap(text, SELF_DUMP_WIDTH).split("\n")));
    }
    case "armed": {
      const checks = event.checks.map(({ check, target }) => (target ? `${check} for ${target}` : check)).join(", ");
      return [...entry("asks for", `${checks}, for ${event.partition}'s next start`), ""];
    }
    case "started":
      return startedLines(event);
    case "ended": {
      const { culprit, confidence, bystander } = event.report.verdict;
      const crashes = event.rows.length;
      const unexpected = (event.report.unexpected ?? []).map((line) => `  ${red("unexpected")}  ${line}`);
      const media = mediaLines(event.report.storage.counters);
      if (crashes === 0) return [...unexpected, green("  no partition stopped"), ...media, ""];
      const anyStopped = event.report.boots.some(({ crash }) => crash !== null);
      const last = event.rows.at(-1);
      return [
        "",
        ...unexpected,
        anyStopped
          ? `  ${bold(culprit ?? "no culprit")}${confidence ? ` ${confidence}` : ""}${bystander ? ` · ${bystander} only stumbled over it` : ""}`
          : green("  no partition stopped"),
        ...media,
        historyScreen(event.rows),
        "",
        dim(
          `  ${counted(crashes, "crash", "crashes")} recorded · stopcode history list · stopcode history show ${last?.id} · stopcode diagnose ${last?.id}`,
        ),
        "",
      ];
    }
  }
}

/** What a start checks, for which stop code and since when, and what is not checked any more; nothing where all that is unchanged and empty. */
function startedLines({ partition, boot, diagnosis }: Extract<RunEvent, { kind: "started" }>): string[] {
  const { armed, steppedDown, preventingStart, cleanSessions, found, damagedAtBoot } = diagnosis;
  const now = (checks: readonly SelfDiagnosisCheck[]) => checks.filter((one) => one.boot === boot).map(checkText);
  const texts: [string, string][] = [
    ["damaged", damagedAtBoot === boot ? "what the store held of the last session is not used" : ""],
    ["armed", armed.map((one) => `${checkText(one)}${one.isPart ? " (all cannot be afforded)" : ""}`).join(" · ")],
    ["found", found === null ? "" : `${stopCodeText(found)}: nothing more is armed for it`],
    ["prevented", preventingStart.length > 0 ? `the start, twice: ${preventingStart.map(checkText).join(" · ")}` : ""],
    ["steps down", now(steppedDown).join(" · ")],
    ["clean", cleanSessions > 0 ? `${counted(cleanSessions, "session")} without a stop` : ""],
  ];
  const told = texts.filter(([, text]) => text !== "");
  if (told.length === 0) return [];
  return [
    `  ${bold(`boot ${boot}`.padEnd(8))} ${partition} starts`,
    ...told.flatMap(([label, text]) => entry(label, text)),
  ];
}

const checkText = ({ check, target, stopCode, boot }: SelfDiagnosisCheck): string =>
  `${check}${target === null ? "" : ` for ${target}`} since boot ${boot}${stopCode === null ? "" : ` because of ${stopCodeText(stopCode)}`}`;

const stopCodeText = (code: string): string => code.toUpperCase().replace("0X", "0x");

function mediaLines({ mediaPeriods = 0, mediaMisses = 0 }: Readonly<Record<string, number>>): string[] {
  if (mediaPeriods === 0) return [];
  const text = `  ${counted(mediaPeriods, "period")} of streams played from the disk, ${count(mediaMisses)} missed`;
  return [mediaMisses === 0 ? green(text) : red(text)];
}

function recordedLines({ crash, seconds }: Extract<RunEvent, { kind: "recorded" }>): string[] {
  const { manifest, facts, diagnosis } = crash;
  const coverage = facts && coverageText(facts);
  const sealedPages = manifest.sealed.reduce((sum, { pages }) => sum + pages, 0);
  const owners = new Set(manifest.sealed.flatMap(({ recipients }) => recipients)).size;
  const parts = [
    manifest.dump ? counted(manifest.dump.pages, "page") : "no pages",
    sealedPages > 0 && `${count(sealedPages)} sealed for ${counted(owners, "owner")}`,
    ...manifest.skipped.map(({ partition, reason }) => `${partition} skipped (${reason})`),
    duration(seconds),
  ];
  return [
    ...entry("dump", parts.filter(Boolean).join(" · ")),
    ...(coverage ? entry("coverage", coverage) : []),
    ...diagnosis.findings.flatMap((finding) => below(findingLines({ ...finding, arm: [] }))),
    ...(diagnosis.findings.length === 0 ? entry("verdict", "no rule has anything to say about it") : []),
  ];
}

/** What `host check` says of a good scenario. */
export function scenarioScreen(scenario: Scenario): string {
  const partitions = scenario.partitions.map(({ name, memory }) => `${name} (${size(memory)})`).join(", ");
  return `  ${green("good")}  ${bold(scenario.name)} · seed ${scenario.seed} · ${counted(scenario.boots, "boot")} · ${partitions}`;
}
