import { type PrintedFrame, parseCallTrace, parseKernelRip, parseRegisters } from "./call-trace.ts";
import { crashClass, isBadLine, isDeath } from "./crash-class.ts";
import type { PrintkRecord } from "./printk-ring.ts";

/** What the kernel printed about its own crash. */
export interface CrashReport {
  /** The panic line, else the first line that says what broke. */
  readonly title: string;
  readonly alternativeTitles: readonly string[];
  readonly class: string | null;
  readonly panicLine: string | null;
  readonly processor: number | null;
  readonly process: { readonly name: string; readonly pid: number } | null;
  /** The instruction that failed, where one is printed. */
  readonly instruction: { readonly frame: PrintedFrame | null; readonly address: bigint | null } | null;
  readonly registers: ReadonlyMap<string, bigint>;
  /** The call trace below it. */
  readonly frames: readonly PrintedFrame[];
  /** Seconds since boot of its first line. */
  readonly seconds: number;
  readonly caller: PrintkRecord["caller"];
}

const PANIC = /^Kernel panic - not syncing: (.*)$/;
const END_OF_REPORT = /^---\[ end trace/;
const WHO = /^CPU: (\d+) (?:UID: \d+ )?PID: (\d+) Comm: (.*?)(?: Kdump: loaded)? (?:Not tainted|Tainted:)/;
const BLOCKED = /^INFO: task (.+):(\d+) blocked for more than/;
/** A task that others wait for while it does not leave its read side, and how it is then described. */
const READER = /^rcu: \tTasks blocked on level-\d+ rcu_node.*: .*P\d/;
const DESCRIBED = /^task:(.+?) +state:.* pid:(\d+)/;
const STALL_ELSEWHERE = /^(?:rcu: )?INFO: rcu\w* detected (?:expedited )?stalls on/;
/** A processor that was idle is "skipped". */
const NMI_BACKTRACE = /^NMI backtrace for cpu \d+$/;
/** What belongs to a panic is printed right before it; on a slow serial line a report takes seconds. */
const REPORT_NANOSECONDS = 30e9;

interface Line {
  readonly text: string;
  readonly record: PrintkRecord;
}

/**
 * Finds the last crash in a log: the lines that its panic's caller (a task, or a processor in an interrupt) printed last, so
 * that what other processors printed in between does not mix in. Without a panic line (kexec takes the dump before it, or
 * the kernel lived on) the last report of a death is taken. Null when the log tells of none.
 */
export function findCrashReport(records: readonly PrintkRecord[]): CrashReport | null {
  const lines = records.flatMap((record) => record.text.split("\n").map((text): Line => ({ text, record })));
  const panicAt = lines.findIndex((line) => PANIC.test(line.text));
  const endAt = panicAt >= 0 ? panicAt : lines.findLastIndex((line) => isDeath(line.text));
  if (endAt < 0) return null;
  const end = lines[endAt]!;
  const bad = badLinesBefore(lines, endAt, panicAt >= 0);
  const startAt = bad[0] ?? endAt;
  const panicLine = panicAt >= 0 ? end.text : null;
  const titles = [...(panicLine === null ? [] : [panicLine]), ...bad.map((at) => lines[at]!.text)];
  const reason = panicLine === null ? [] : [PANIC.exec(panicLine)![1]!];
  const since = lines.slice(startAt);
  const own = (sentByStalled(since) ?? since.filter((line) => isSameCaller(line.record, end.record))).map(
    (line) => line.text,
  );
  return {
    title: titles[0]!,
    alternativeTitles: [...new Set([...titles.slice(1), ...reason])],
    class: crashClass(titles),
    panicLine,
    ...who(own, since),
    ...where(own),
    seconds: lines[startAt]!.record.nanoseconds / 1e9,
    caller: end.record.caller,
  };
}

/** Places of the lines that say what broke, up to `endAt`, of its caller and not of an earlier report. Ascending. */
function badLinesBefore(lines: readonly Line[], endAt: number, panicked: boolean): number[] {
  const end = lines[endAt]!.record;
  const found: number[] = [];
  for (let at = panicked ? endAt - 1 : endAt; at >= 0; at--) {
    const { text, record } = lines[at]!;
    if (end.nanoseconds - record.nanoseconds > REPORT_NANOSECONDS) break;
    if (!isSameCaller(record, end)) continue;
    if (found.length > 0 && END_OF_REPORT.test(text)) break;
    if (isBadLine(text)) found.push(at);
  }
  return found.reverse();
}

/**
 * A processor that keeps others from a grace period is sent an NMI by one that waits, and prints where it is: that is the
 * report. Null where it is not another that stalls, or where it did not answer.
 */
function sentByStalled(since: readonly Line[]): readonly Line[] | null {
  const at = STALL_ELSEWHERE.test(since[0]!.text) ? since.findIndex((line) => NMI_BACKTRACE.test(line.text)) : -1;
  return at < 0 ? null : since.slice(at).filter((line) => isSameCaller(line.record, since[at]!.record));
}

/** Who crashed: the task that others waited for when that is what is reported, else who was running as the first report says. */
function who(own: readonly string[], all: readonly Line[]): Pick<CrashReport, "process" | "processor"> {
  const lines = [...own, ...all.map((line) => line.text)];
  const running = firstMatch(lines, WHO);
  const reader = own.findIndex((line) => READER.test(line));
  const blocked = firstMatch(own, BLOCKED) ?? firstMatch(reader < 0 ? [] : own.slice(reader), DESCRIBED);
  return {
    processor: running ? Number(running[1]) : null,
    process: blocked
      ? { name: blocked[1]!, pid: Number(blocked[2]) }
      : running && { name: running[3]!, pid: Number(running[2]) },
  };
}

function where(own: readonly string[]): Pick<CrashReport, "instruction" | "registers" | "frames"> {
  const traceAt = own.findIndex((line) => /^\s*Call Trace/.test(line));
  const ripAt = own.findIndex((line) => parseKernelRip(line) !== null);
  // A RIP behind the trace's start is an interrupted frame of it, not the instruction that failed.
  const isFault = ripAt >= 0 && (traceAt < 0 || ripAt < traceAt);
  return {
    instruction: isFault ? parseKernelRip(own[ripAt]!) : null,
    registers: isFault ? parseRegisters(own.slice(ripAt)) : new Map(),
    frames: parseCallTrace(own),
  };
}

function firstMatch(lines: readonly string[], pattern: RegExp): RegExpExecArray | null {
  for (const line of lines) {
    const found = pattern.exec(line);
    if (found) return found;
  }
  return null;
}

const isSameCaller = (a: PrintkRecord, b: PrintkRecord) =>
  a.caller.kind === b.caller.kind && a.caller.id === b.caller.id;
