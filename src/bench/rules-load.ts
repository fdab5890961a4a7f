import type { Facts } from "../analysis/index.ts";
import { Random } from "../binary/index.ts";

/** What `bench rules` asks about: a pack, and the facts with their log, all made of one seed. */
export interface RulesLoad {
  /** The pack as text: JSON is YAML. */
  readonly pack: string;
  readonly rules: number;
  readonly patterns: readonly string[];
  readonly facts: Facts;
  /** Values among the facts, without those of the log. */
  readonly values: number;
  readonly logCharacters: number;
}

export interface RulesLoadSize {
  readonly rules: number;
  readonly logCharacters: number;
  /** Processes and modules; a process has five values, a module four. */
  readonly processes: number;
  readonly modules: number;
}

/** 5,000 values in all. */
export const FULL_SIZE: RulesLoadSize = { rules: 200, logCharacters: 10_000_000, processes: 800, modules: 235 };

/** Names that kernels print: enough of them that a rule's own are rare in the log. */
const SUBSYSTEMS = [
  "ext4",
  "xfs",
  "btrfs",
  "nvme",
  "ahci",
  "ixgbe",
  "mlx5_core",
  "amdgpu",
  "i915",
  "usb",
  "nfs",
  "dm-crypt",
];
const FUNCTIONS = [
  "read",
  "write",
  "lookup",
  "release",
  "ioctl",
  "poll",
  "probe",
  "reset",
  "timeout",
  "complete",
  "alloc",
  "free",
];
const PROCESSES = [
  "systemd",
  "postgres",
  "kworker/0:1",
  "java",
  "nginx",
  "sshd",
  "qemu-system-x86",
  "containerd",
  "python3",
  "jbd2/sda1-8",
];

/** Lines of a log in which nothing happens. */
const USUAL = [
  "{function}: waiting for {device} to become ready, {number} ms left",
  'audit: type=1400 audit({number}.{number}:{number}): apparmor="ALLOWED" operation="{function}" profile="{process}" pid={number} comm="{process}"',
  "{device}: Link is up at {number} Mbps, full duplex, flow control: RX/TX",
  "usb {number}-{number}: new high-speed device number {number} using xhci_hcd",
  "IPv6: ADDRCONF(NETDEV_UP): {device}: link is not ready",
  "EXT4-fs ({device}): mounted filesystem with ordered data mode. Quota mode: none.",
  "pci 0000:00:1f.{number}: reg 0x10: [mem 0x{address}-0x{address} 64bit]",
  "systemd[{number}]: Started Session {number} of User {process}.",
  "nf_conntrack: default automatic helper assignment has been turned off, {number} entries",
  "TCP: request_sock_TCP: Possible SYN flooding on port {number}. Sending cookies.",
  "perf: interrupt took too long ({number} > {number}), lowering kernel.perf_event_max_sample_rate to {number}",
  "I/O error, dev {device}, sector {number} op 0x0:(READ) flags 0x0 phys_seg {number} prio class {number}",
  " [<{address}>] {function}+0x{number}/0x{number}",
  "RIP: 0010:{function}+0x{number}/0x{number} Code: {address} {address}",
  "Out of memory: Killed process {number} ({process}) total-vm:{number}kB, anon-rss:{number}kB, file-rss:{number}kB",
];

/** Patterns as people write them for such logs, with names of the rule's own. */
const PATTERNS = [
  "BUG: KASAN: (?P<kind>[a-z-]+) in {function}(?P<symbol>\\w*)\\+0x[0-9a-f]+/0x[0-9a-f]+(?: \\[(?P<module>\\w+)\\])?",
  "{device} (?P<device>\\S+): (?:controller is down|reset failed|I/O (?P<tag>\\d+) QID \\d+ timeout)",
  "I/O error, dev {device}(?P<device>\\w+), sector (?P<sector>\\d+)",
  "INFO: task {process}(?P<task>.*):(?P<pid>\\d+) blocked for more than (?P<seconds>\\d+) seconds",
  "watchdog: BUG: soft lockup - CPU#(?P<processor>\\d+) stuck for \\d+s! \\[{process}:(?P<pid>\\d+)\\]",
  "(?:EXT4-fs|XFS|BTRFS) (?:error|critical)? ?\\((?:device )?{device}(?P<device>\\w+)\\): {function}\\w*:\\d+",
  "Out of memory: Killed process \\d+ \\({process}\\) total-vm:(?P<kilobytes>\\d+)kB",
  "RIP: \\d+:{function}_(?P<symbol>\\w+)\\+0x[0-9a-f]+/0x[0-9a-f]+",
  "[Uu]nable to handle kernel (?:NULL pointer dereference|paging request) at (?P<address>[0-9a-f]+) in {function}",
  "^{device} \\d{4}:[0-9a-f]{2}:[0-9a-f]{2}\\.\\d: (?P<what>.*failed.*) \\(?(?P<code>-\\d+)\\)?",
  "refcount_t: (?:underflow; use-after-free|saturated; leaking memory)\\..*{function}",
  "list_(?:add|del) corruption.*{function}.*(?P<address>[0-9a-f]{16})",
  "page allocation failure: order:(?P<order>\\d+), mode:\\S+.*{process}",
  "{device}: (?P<count>\\d+) (?:CRC|ECC) errors? (?:corrected|detected)",
  "(?i){device}.*(?:timed? ?out|hung)",
];

/** One in a hundred is written without a thought for what it costs: nothing in it tells which lines it could be in. */
const CARELESS = ["^\\S+: (?P<what>\\w+ \\w+ \\w+),? -(?P<code>\\d{2})$", "(?P<count>\\d+) (?:of|in) \\d+ \\w+ \\d+ !"];

/** Holds for all. */
const PRESENT = 'os.family == "linux" && crash.panicked';

const CONDITIONS = [
  'crash.title.contains("{function}") || crash.title.contains("panic")',
  'processes.exists(p, p.name == "{process}" && p.pid > 100)',
  'modules.exists(m, m.name == "{device}" && m.size > 4096)',
  'crash.stack.exists(f, f.function == "{function}_inode")',
  'crash.stack.filter(f, present(f.module))[0].module == "{device}"',
  "hex(crash.address) > 0x1000 && moduleAt(hex(crash.address)) != '{device}'",
  'size(processes) > 10 && processes.all(p, p.state != "dead" || p.name.startsWith("{process}"))',
];

/** Makes the load. The same seed and size give the same. */
export function rulesLoad(seed: number, size: RulesLoadSize): RulesLoad {
  const random = new Random(seed, "rules bench");
  const patterns: string[] = [];
  const rules = Array.from({ length: size.rules }, (_, index) => {
    const fill = (template: string) => filled(random, template, index);
    // Half of the rules read the log, half the facts: what is quiet for its patterns would not be asked about conditions.
    if (index % 2 === 1)
      return ruleOf(index, [], [PRESENT, fill(pick(random, CONDITIONS)), fill(pick(random, CONDITIONS))]);
    const own = [fill(pick(random, index % 100 === 50 ? CARELESS : PATTERNS)), fill(pick(random, PATTERNS))];
    patterns.push(...own);
    return ruleOf(index, own, [PRESENT]);
  });
  const pack = JSON.stringify({ pack: { id: "bench", version: "1.0.0", title: "Made", owner: "bench" }, rules });
  const records: { text: string; seconds: number; level: number }[] = [];
  let logCharacters = 0;
  while (logCharacters < size.logCharacters) {
    const text = filled(random, pick(random, USUAL), random.below(1000));
    records.push({ text, seconds: records.length / 100, level: random.below(7) });
    logCharacters += text.length + 1;
  }
  const facts: Facts = { ...factsOf(random, size), log: { complete: true, records } };
  const values = countValues({ ...facts, log: null });
  return { pack, rules: rules.length, patterns, facts, values, logCharacters };
}

const ruleOf = (index: number, log: readonly string[], when: readonly string[]) => ({
  ...{ id: `rule-${index}`, status: "test", severity: "high", summary: "made", verdict: "suspect" },
  ...{ log: log.map((match, at) => ({ match: match.replaceAll("(?P<", `(?P<${"ab"[at]}`) })), when },
  title: `rule ${index} on {{crash.title}}`,
  culprit: { kind: "driver", name: "x" },
  advice: "none",
});

function factsOf(random: Random, { processes, modules }: RulesLoadSize): Facts {
  const name = (template: string) => filled(random, template, random.below(1000));
  return {
    schema: "stopcode/facts/1",
    os: { family: "linux", release: "6.1.0" },
    crash: {
      ...{
        title: "Kernel panic - not syncing: Fatal exception",
        alternativeTitles: [],
        panicked: true,
        address: "0xffffffff81000010",
      },
      stack: Array.from({ length: 10 }, (_, at) => ({
        via: "log",
        function: name("{function}"),
        module: at === 5 ? name("{device}") : null,
      })),
    },
    processes: Array.from({ length: processes }, (_, pid) => ({
      ...{ pid, tgid: pid, parent: 1, name: name("{process}"), state: "sleeping" },
    })),
    modules: Array.from({ length: modules }, (_, at) => ({
      ...{
        name: name("{device}"),
        base: `0xffffffffc${at.toString(16).padStart(4, "0")}000`,
        size: 4096 * (1 + random.below(50)),
        taint: "O",
      },
    })),
  };
}

const pick = <T>(random: Random, from: readonly T[]): T => from[random.below(from.length)]!;

/** A template with its `{marks}` filled in, names with `number` at their end. */
function filled(random: Random, template: string, number: number): string {
  const fill: Readonly<Record<string, () => string>> = {
    number: () => `${random.below(100_000)}`,
    address: () => `ffff${random.below(0x7fffffff).toString(16).padStart(12, "8")}`,
    device: () => `${pick(random, SUBSYSTEMS)}${number}`,
    function: () => `${pick(random, SUBSYSTEMS).replaceAll("-", "_")}_${pick(random, FUNCTIONS)}${number}`,
    process: () => `${pick(random, PROCESSES)}${number}`,
  };
  return template.replace(/\{([a-z]+)\}/g, (_, mark: string) => fill[mark]!());
}

function countValues(value: unknown): number {
  if (value === null || value === undefined) return 0;
  if (typeof value !== "object") return 1;
  return Object.values(value).reduce((sum: number, below) => sum + countValues(below), 0);
}
