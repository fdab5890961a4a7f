import type { Facts, Frame } from "../analysis/index.ts";
import { auditLines, hypervisorInventory } from "./hypervisor-lines.ts";
import { bold, columns, count, counted, dim, duration, printable, red, wrap } from "./style.ts";

type Crash = NonNullable<Facts["crash"]>;

const FRAMES_SHOWN = 16;

const FAMILIES = {
  windows: "Windows",
  linux: "Linux",
  hypervisor: "hypervisor",
  unknown: "unknown system",
} as const;

const systemText = (facts: Facts): string => {
  const { os, machine } = facts;
  const family = FAMILIES[os?.family ?? "unknown"];
  const release = os?.release?.replace(`${family} `, "");
  const build = os?.family === "windows" && os.build ? `build ${os.build}` : null;
  return [
    [family, release, build].filter(Boolean).join(" "),
    machine?.arch,
    machine?.processors ? counted(machine.processors, "processor") : null,
    machine?.hostname && `host ${machine.hostname}`,
  ]
    .filter(Boolean)
    .join(" · ");
};

/** `amdppm.sys + 0x334c`, or the function where its name is known. */
const placeText = (facts: Facts): string => {
  const crash = facts.crash;
  if (!crash) return "";
  if (crash.function) return `${crash.function}${crash.module ? ` in ${crash.module.name}` : ""}`;
  if (crash.module) return `${crash.module.name}${crash.module.offset ? ` + ${crash.module.offset}` : ""}`;
  return crash.address ?? "";
};

const circumstances = (facts: Facts): string => {
  const crash = facts.crash;
  const process = crash?.process;
  return [
    crash?.exception?.name ?? crash?.class,
    process && `in process ${process.name}${process.pid == null ? "" : ` (${process.pid})`}`,
    crash?.processor == null ? null : `on processor ${crash.processor}`,
    facts.machine?.uptimeSeconds == null ? null : `${duration(facts.machine.uptimeSeconds)} after boot`,
    facts.machine?.crashedAt,
  ]
    .filter(Boolean)
    .join(", ");
};

/** `leakdrv!MapBuffer+0x4c`, `leakdrv.sys+0x104c` or the bare address. */
export function frameText(frame: Frame): string {
  if (frame.function) {
    const offset = frame.offset && frame.offset !== "0x0" ? `+${frame.offset}` : "";
    return `${frame.module ? `${frame.module.replace(/\.(sys|exe|dll)$/i, "")}!` : ""}${frame.function}${offset}`;
  }
  if (frame.module) return `${frame.module}${frame.moduleOffset ? `+${frame.moduleOffset}` : ""}`;
  return frame.address ?? "?";
}

const stackLines = (stack: readonly Frame[]): string[] => {
  const shown = stack.slice(0, FRAMES_SHOWN).map((frame) => [printable(frameText(frame)), dim(frame.via)]);
  const more = stack.length - shown.length;
  return [...columns(shown), ...(more > 0 ? [dim(`and ${counted(more, "more frame")}: see --json`)] : [])];
};

const requestLines = ({ kind, state, driver, passedBy }: NonNullable<Crash["request"]>): string[] => [
  `${kind ?? "a request"}${state ? ` to ${state}` : ""}, with ${driver?.module ?? driver?.name ?? "a driver that cannot be read"}`,
  ...(passedBy.length > 0 ? [`handed down by ${passedBy.join(", ")}`] : []),
];

const titleText = (facts: Facts): string => {
  const crash = facts.crash;
  const code = crash?.stopCode;
  if (code) return `${code.code.replace(/^0x/, "0x").toUpperCase().replace("0X", "0x")} ${code.name ?? ""}`.trim();
  return crash?.title ?? "no crash: the dump of a running system";
};

/** The lines of a labelled block: the label on the first, the rest below it. */
export function block(label: string, lines: readonly string[]): string[] {
  return lines.map((line, index) => `  ${(index === 0 ? label : "").padEnd(9)} ${line}`);
}

/** A warning where special pool was used up, so that damage may have gone unnoticed; null where there is nothing to warn of. */
export function coverageText(facts: Facts): string | null {
  const special = facts.checks?.specialPool;
  if (!special || special.isEnough) return null;
  return `special pool held ${special.coverage} % of ${counted(special.eligible, "block")}: below 95 % it may miss damage`;
}

/** One screenful of what is known about a crash, the answer first. */
export function factsScreen(facts: Facts): string {
  const crash = facts.crash;
  const lines: string[] = ["", `  ${bold(printable(titleText(facts)))}    ${printable(placeText(facts))}`.trimEnd()];
  if (facts.dump && !facts.dump.complete)
    lines.push(
      `  ${red("incomplete")}: ${wrap(facts.dump.problems.map((problem) => problem.message).join("; "), 110, "  ")}`,
    );
  const [happened, system] = [circumstances(facts), systemText(facts)];
  if (happened) lines.push(`  ${printable(happened)}`);
  lines.push(`  ${printable(system)}`, "");

  const alternatives = crash?.alternativeTitles ?? [];
  if (alternatives.length > 0) lines.push(...block("also", alternatives.slice(0, 4).map(printable)), "");
  if (crash?.stopCode) {
    const parameters = crash.stopCode.parameters.map(({ value, meaning, text }, index) => [
      `${index + 1}`,
      value,
      [meaning, text && `${bold(printable(text))}`].filter(Boolean).join(": "),
    ]);
    lines.push(...block("told", columns(parameters)), "");
  }
  if (crash?.request) lines.push(...block("request", requestLines(crash.request).map(printable)), "");
  const checks = facts.checks?.systemPtes;
  if (checks && checks.users.length > 0) {
    const users = checks.users.slice(0, 5).map((user) => {
      const [site] = user.sites;
      return [
        user.module,
        `${count(user.held)} PTEs`,
        site
          ? `from ${site.function ?? site.address}${site.moduleOffset ? ` (+${site.moduleOffset})` : ""}, ${count(site.calls)} calls, ${count(site.released)} released`
          : "",
      ];
    });
    lines.push(...block("PTEs", columns(users, [1])), "");
  }
  const coverage = coverageText(facts);
  if (coverage) lines.push(...block("coverage", [coverage]), "");
  if (facts.hypervisor) lines.push(...block("audit", auditLines(facts.hypervisor)), "");
  if (crash && crash.stack.length > 0) lines.push(...block("stack", stackLines(crash.stack)), "");
  const inventory = [
    ...(facts.hypervisor ? hypervisorInventory(facts.hypervisor) : []),
    facts.modules && counted(facts.modules.length, "module"),
    facts.unloadedModules && `${count(facts.unloadedModules.length)} unloaded`,
    facts.processes &&
      (facts.os?.family === "linux"
        ? counted(facts.processes.length, "task")
        : counted(facts.processes.length, "process", "processes")),
    facts.log && `${counted(facts.log.records.length, "log record")}${facts.log.complete ? "" : ", log incomplete"}`,
  ].filter(Boolean);
  if (inventory.length > 0) lines.push(...block("holds", [inventory.join(" · ")]));
  if (facts.bucket)
    lines.push(...block("bucket", [`${facts.bucket.id}  ${dim(printable(facts.bucket.trail.at(-1) ?? ""))}`]));
  return lines.join("\n");
}
