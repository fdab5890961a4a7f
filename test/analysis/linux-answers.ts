import { readFileSync } from "node:fs";
import { sharedData } from "../peers.ts";

/** What drgn, crash, makedumpfile and the serial console said about a dump (shared data, linux/expected.json). */
export interface LinuxAnswer {
  readonly file: string;
  readonly release: string;
  readonly version: string;
  readonly nodename: string;
  readonly build_id: string;
  readonly kernel_cmdline: string;
  readonly kernel_offset: string;
  readonly phys_base: string;
  readonly la57: boolean;
  readonly page_offset_base: string;
  readonly vmalloc_base: string;
  readonly vmemmap_base: string;
  readonly cpus: number;
  readonly panicked: boolean;
  readonly panic_line: string | null;
  readonly panic_reason: string | null;
  readonly first_bad_lines: readonly string[];
  readonly kind: string;
  readonly rip: { symbol: string; offset: string; size: string; module: string | null } | null;
  readonly culprit: { symbol: string; module: string } | null;
  readonly call_trace: readonly { symbol: string; offset: string; module: string | null; reliable: boolean }[];
  readonly crash_cpu: number | null;
  readonly crash_pid: number | null;
  readonly crash_comm: string | null;
  readonly panic_cpu_variable: number;
  readonly tainted_mask: number;
  readonly modules: readonly { name: string; base: string; size: number }[];
  readonly tasks: readonly {
    pid: number;
    tgid: number;
    ppid: number;
    state: string;
    cpu: number;
    comm: string;
    user: boolean;
    addr: string;
  }[];
  readonly dmesg_lines: number;
  readonly dmesg_records: number;
  readonly dmesg_first: string;
  readonly dmesg_last: string;
  readonly dmesg_text_sha256_without_timestamps: string;
  readonly kallsyms_count: number;
  readonly symbols: Readonly<Record<string, string>>;
  readonly btf: { address: string; bytes: number; types: number };
  readonly struct_offsets: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly note_cpus: readonly {
    cpu: number;
    rip: string;
    rsp: string;
    cs: string;
    sym: string;
    cr3: string | null;
    gs_base: string | null;
    curr: string;
  }[];
}

export const linuxAnswers = (): LinuxAnswer[] =>
  JSON.parse(readFileSync(sharedData("linux/expected.json"), "utf8")).fixtures;

export const linuxDumpPath = (file: string) => sharedData(`linux/${file}`);

/** The log as makedumpfile --dump-dmesg prints it: seconds with six digits, continuation lines indented below the text. */
export function dmesgText(records: readonly { seconds?: number | null | undefined; text: string }[]): string {
  return records.map(({ seconds, text }) => `${stamped(seconds ?? 0, text)}\n`).join("");
}

function stamped(seconds: number, text: string): string {
  // The time is whole nanoseconds in a double: less than a nanosecond more keeps the cut at microseconds exact.
  const microseconds = Math.floor(seconds * 1e6 + 1e-4);
  const stamp = `[${`${Math.floor(microseconds / 1e6)}`.padStart(5)}.${`${microseconds % 1e6}`.padStart(6, "0")}] `;
  return stamp + text.replaceAll("\n", `\n${" ".repeat(stamp.length)}`);
}
