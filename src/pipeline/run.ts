import { collect, collectMachine, type Progress } from "../agent/index.ts";
import { stopCodeName } from "../analysis/index.ts";
import { sealedPages } from "../archive/index.ts";
import { CrashHistory, type HistoryRow } from "../history/index.ts";
import {
  type ArmedCheck,
  type CrashNotice,
  EmulatedHost,
  type FaultHarm,
  type Host,
  HYPERVISOR,
  type Procedure,
  type Scenario,
  type SelfDiagnosis,
  type SelfDump,
} from "../host/index.ts";
import { type ArmRequest, checks, type Finding, procedureTable, type RulePack, sureness } from "../rules/index.ts";
import { type Collect, type RecordedCrash, recordCrash } from "./crash.ts";
import { type PackChoice, rulesOf } from "./questions.ts";
import { readScenario } from "./scenario.ts";
import { unexpectedStops, unexpectedVerdict } from "./unexpected.ts";

/** What `host run` tells while it runs. */
export type RunEvent =
  | { readonly kind: "host"; readonly host: Host; readonly scenario: string; readonly seed: number }
  | { readonly kind: "crashed"; readonly boot: number; readonly notice: CrashNotice; readonly name: string | null }
  | { readonly kind: "live-dump"; readonly boot: number; readonly notice: CrashNotice }
  | { readonly kind: "progress"; readonly progress: Progress }
  | { readonly kind: "recorded"; readonly crash: RecordedCrash; readonly seconds: number }
  | { readonly kind: "self-dump"; readonly partition: string; readonly dump: SelfDump }
  | { readonly kind: "armed"; readonly partition: string; readonly checks: readonly ArmRequest[] }
  | { readonly kind: "started"; readonly partition: string; readonly boot: number; readonly diagnosis: SelfDiagnosis }
  | { readonly kind: "ended"; readonly report: RunReport; readonly rows: readonly HistoryRow[] };

/** The document of `host run --json`. */
export interface RunReport {
  readonly scenario: string;
  readonly seed: number;
  readonly boots: readonly BootReport[];
  /** The surest finding of all boots; of two that are as sure, that of the later one. `bystander`: who stumbled over the culprit's doing, in that crash or in one before it. */
  readonly verdict: {
    readonly culprit: string | null;
    readonly kind: Finding["culprit"]["kind"] | null;
    readonly confidence: string | null;
    readonly bystander: string | null;
  };
  /** Where the run ended otherwise than the scenario says it must; null when the scenario says nothing. */
  readonly unexpected: readonly string[] | null;
  /** What was counted on the machine as a whole, and in each partition. */
  readonly hypervisor: {
    readonly counters: Readonly<Record<string, number>>;
    readonly partitions: Readonly<Record<string, Readonly<Record<string, number>>>>;
  };
  readonly storage: { readonly counters: Readonly<Record<string, number>> };
  /** Of each partition: which checks are armed, for which stop code and since when, and which stepped down. */
  readonly selfDiagnosis: Readonly<Record<string, SelfDiagnosis>>;
  readonly dumps: readonly DumpReport[];
}

export interface BootReport {
  readonly partition: string;
  readonly boot: number;
  readonly armed: readonly ArmedCheck[];
  readonly crash: {
    readonly partition: string;
    readonly atSeconds: number;
    readonly stopCode: string;
    readonly parameters: readonly string[];
    readonly title: string | null;
  } | null;
  readonly crashId: string | null;
  readonly findings: readonly Finding[];
  /** The dump that the partition wrote of itself, beside the agent's; null where none was wanted. */
  readonly selfDump: SelfDump | null;
  /** What the scenario's fault had done by then, which no analysis can know; null where the scenario has planned none. */
  readonly harm: FaultHarm | null;
}

export interface DumpReport {
  readonly crashId: string;
  readonly partition: string;
  readonly folder: string;
  readonly pages: number;
  readonly sealedPages: number;
  readonly skipped: readonly { readonly partition: string; readonly reason: string }[];
}

export interface RunOptions {
  readonly home: string;
  /** How often a partition may boot; undefined: as the scenario says. */
  readonly boots?: number | undefined;
  readonly seed?: number | undefined;
  readonly packs: PackChoice;
  readonly onEvent: (event: RunEvent) => void;
}

/** Runs a scenario from first boot to verdict. @throws StopcodeError for a bad scenario or pack, or when the disk fails */
export async function runScenario(path: string, options: RunOptions): Promise<RunReport> {
  const scenario = await readScenario(path);
  const packs = rulesOf(options.packs);
  const seed = options.seed ?? scenario.seed;
  const host = new EmulatedHost(scenario, { seed, procedures: proceduresOf(packs) });
  const history = await CrashHistory.open(options.home);
  try {
    const run = new Run(host, {
      ...options,
      boots: options.boots ?? scenario.boots,
      restartsClean: scenario.restartsClean,
      packs,
      history,
    });
    options.onEvent({ kind: "host", host, scenario: scenario.name, seed });
    await run.toTheEnd();
    const report = { scenario: scenario.name, seed, ...run.report(), unexpected: run.unexpected(scenario) };
    options.onEvent({ kind: "ended", report, rows: run.rows() });
    return report;
  } finally {
    history.close();
    await host.close();
  }
}

/** The table by which a guest arms itself when it finds its last stop code at start-up, agent or no agent. */
const proceduresOf = (packs: readonly RulePack[]): Procedure[] =>
  procedureTable(packs).map(({ stopCode, after, checks }) => ({
    stopCode: Number(stopCode),
    after: after === null ? null : Number(after),
    arm: checks.map((check) => ({ check, target: null })),
  }));

interface LoopOptions extends Pick<RunOptions, "home" | "onEvent"> {
  readonly boots: number;
  readonly restartsClean: boolean;
  readonly packs: readonly RulePack[];
  readonly history: CrashHistory;
}

/** The loop: wait for a crash, record it, arm, start again. */
class Run {
  private readonly host: Host;
  private readonly options: LoopOptions;
  private readonly boots: BootReport[] = [];
  private readonly crashes: RecordedCrash[] = [];
  private readonly starts = new Map<string, { boot: number; armed: readonly ArmedCheck[] }>([
    [HYPERVISOR, { boot: 1, armed: [] }],
  ]);

  constructor(host: Host, options: LoopOptions) {
    this.host = host;
    this.options = options;
  }

  async toTheEnd(): Promise<void> {
    for (;;) {
      const event = await this.host.nextEvent();
      if (event.kind === "finished") {
        this.withoutCrash();
        if (!(await this.restartedClean())) return;
        continue;
      }
      if (event.kind === "started") this.started(event.partition, event.armed);
      else if (event.kind === "live-dump") await this.liveDump(event);
      else if (event.kind === "crashed") {
        if (await this.crashed(event, (options) => collect(this.host, event, options))) return;
      } else {
        const notice = { ...event, partition: HYPERVISOR, message: null };
        if (await this.crashed(notice, (options) => collectMachine(this.host, event, options))) return;
      }
    }
  }

  private started(partition: string, armed: readonly ArmedCheck[]): void {
    const boot = (this.starts.get(partition)?.boot ?? 0) + 1;
    this.starts.set(partition, { boot, armed });
    if (boot > 1 && partition !== HYPERVISOR)
      this.options.onEvent({ kind: "started", partition, boot, diagnosis: this.host.selfDiagnosis(partition) });
  }

  /** Where the scenario wants sessions to follow each other: shuts down what runs and starts it again; false when nothing is left to start. */
  private async restartedClean(): Promise<boolean> {
    const { boots, restartsClean } = this.options;
    const next = restartsClean
      ? [...this.starts].filter(([partition, { boot }]) => partition !== HYPERVISOR && boot < boots)
      : [];
    for (const [partition] of next) await this.host.restart(partition, { arm: [] });
    return next.length > 0;
  }

  /** Records what a partition looks like, and lets it go on. */
  private async liveDump(notice: CrashNotice): Promise<void> {
    const { boot, armed } = this.starts.get(notice.partition) ?? { boot: 1, armed: [] };
    const { onEvent, home, packs, history } = this.options;
    onEvent({ kind: "live-dump", boot, notice });
    const begun = performance.now();
    const onProgress = (progress: Progress) => onEvent({ kind: "progress", progress });
    const taken = await recordCrash((options) => collect(this.host, notice, options), {
      home,
      boot,
      armed,
      packs,
      history,
      onProgress,
    });
    this.crashes.push(taken);
    onEvent({ kind: "recorded", crash: taken, seconds: (performance.now() - begun) / 1000 });
    await this.host.resume(notice.partition);
  }

  /** Records one crash and starts again what failed; true when the run is over. */
  private async crashed(notice: CrashNotice, take: Collect): Promise<boolean> {
    const { boot, armed } = this.starts.get(notice.partition) ?? { boot: 1, armed: [] };
    const { onEvent, home, packs, history, boots } = this.options;
    onEvent({ kind: "crashed", boot, notice, name: stopCodeName(notice.stopCode) });
    const begun = performance.now();
    const crash = await recordCrash(take, {
      home,
      boot,
      armed,
      packs,
      history,
      onProgress: (progress) => onEvent({ kind: "progress", progress }),
    });
    this.crashes.push(crash);
    onEvent({ kind: "recorded", crash, seconds: (performance.now() - begun) / 1000 });
    const selfDump = notice.partition === HYPERVISOR ? null : await this.host.selfDump(notice.partition);
    if (selfDump !== null) onEvent({ kind: "self-dump", partition: notice.partition, dump: selfDump });
    const harm = notice.partition === HYPERVISOR ? null : this.host.harm(notice.partition);
    this.boots.push({ ...bootReport(boot, armed, notice, crash), selfDump, harm });
    if (boot >= boots || crash.diagnosis.findings.some((finding) => finding.verdict === "identified")) return true;

    await this.restart(notice.partition, crash.diagnosis.arm);
    return false;
  }

  /** A partition alone, unless it was the hypervisor that failed, or is to be checked. */
  private async restart(failed: string, arm: readonly ArmRequest[]): Promise<void> {
    const guest = this.armed(failed, arm, "guest");
    const host = this.armed(HYPERVISOR, arm, "host");
    if (failed !== HYPERVISOR && host.length === 0) return this.host.restart(failed, { arm: guest });
    this.started(HYPERVISOR, host);
    return this.host.restartAll({ arm: host, partitions: new Map(failed === HYPERVISOR ? [] : [[failed, guest]]) });
  }

  /** Those of the checks that a guest, or the host, applies at its next start; told as they are armed. */
  private armed(partition: string, arm: readonly ArmRequest[], appliedBy: "guest" | "host"): ArmedCheck[] {
    const own = arm.filter(({ check }) => checks[check]?.appliedBy === appliedBy);
    if (own.length > 0) this.options.onEvent({ kind: "armed", partition, checks: own });
    return own.map(({ check, target }) => ({ check, target }));
  }

  /** The scenario's time is over: boots that did not end in a crash are reported as such. */
  private withoutCrash(): void {
    const reported = new Set(this.boots.map(({ partition, boot }) => `${partition} ${boot}`));
    for (const [partition, { boot, armed }] of this.starts)
      if (boot > 1 && !reported.has(`${partition} ${boot}`))
        this.boots.push({
          partition,
          boot,
          armed,
          crash: null,
          crashId: null,
          findings: [],
          selfDump: null,
          harm: null,
        });
  }

  rows(): HistoryRow[] {
    return this.crashes.map((crash) => crash.row);
  }

  /** What the scenario expects and did not come, as far as this run had boots for it. */
  unexpected({ expect, verdict, boots }: Scenario): string[] | null {
    if (expect.length === 0 && verdict === undefined) return null;
    const stops = unexpectedStops({ expect: expect.slice(0, this.options.boots), verdict }, this.boots);
    // With fewer boots than the scenario wants it does not come to its verdict.
    return this.options.boots < boots ? stops : [...stops, ...unexpectedVerdict(verdict, this.verdict())];
  }

  private verdict(): RunReport["verdict"] {
    const [best] = this.crashes
      .toReversed()
      .flatMap(({ diagnosis }) => diagnosis.findings)
      .toSorted(bySureness);
    const culprit = best?.culprit.name ?? null;
    const bystanders = this.crashes.flatMap(({ diagnosis }) =>
      diagnosis.findings.flatMap(({ bystander }) => bystander?.name ?? []),
    );
    return {
      culprit,
      kind: best?.culprit.kind ?? null,
      confidence: best?.verdict ?? null,
      bystander: best?.bystander?.name ?? bystanders.find((name) => name !== culprit) ?? null,
    };
  }

  report(): Omit<RunReport, "scenario" | "seed" | "unexpected"> {
    return {
      boots: this.boots,
      verdict: this.verdict(),
      hypervisor: { counters: this.host.counters(), partitions: this.host.partitionCounters() },
      storage: { counters: this.host.storageCounters() },
      selfDiagnosis: Object.fromEntries(
        this.host.partitions().map(({ name }) => [name, this.host.selfDiagnosis(name)] as const),
      ),
      dumps: this.crashes.map(({ manifest, folder }) => ({
        crashId: manifest.id,
        partition: manifest.partition,
        folder,
        pages: manifest.dump?.pages ?? 0,
        sealedPages: sealedPages(manifest),
        skipped: manifest.skipped,
      })),
    };
  }
}

/** The surest first; of two that are as sure, one that names somebody. */
const bySureness = (a: Finding, b: Finding): number =>
  sureness(a.verdict) - sureness(b.verdict) ||
  Number(a.culprit.kind === "unknown") - Number(b.culprit.kind === "unknown");

function bootReport(
  boot: number,
  armed: readonly ArmedCheck[],
  notice: CrashNotice,
  { manifest, facts, diagnosis }: RecordedCrash,
): Omit<BootReport, "selfDump" | "harm"> {
  return {
    partition: notice.partition,
    boot,
    armed,
    crash: {
      partition: notice.partition,
      atSeconds: notice.atSeconds,
      stopCode: manifest.stopCode?.code ?? "0x0",
      parameters: manifest.stopCode?.parameters ?? [],
      title: facts?.crash?.title ?? null,
    },
    crashId: manifest.id,
    findings: diagnosis.findings,
  };
}
