import type { Kallsyms } from "./kallsyms.ts";
import type { KernelMemory } from "./kernel-memory.ts";
import type { VmcoreInfo } from "./vmcoreinfo.ts";

/** struct new_utsname: six texts of 65 bytes. */
const FIELD_BYTES = 65;
const NODE = 1;
const RELEASE = 2;
const VERSION = 3;
/** COMMAND_LINE_SIZE on x86. */
const COMMAND_LINE_BYTES = 2048;

export interface SystemNames {
  readonly hostname: string | null;
  readonly release: string | null;
  /** `uname -v`: build number, configuration and date. */
  readonly version: string | null;
}

/** What uname says in the initial namespace. */
export function readSystemNames(memory: KernelMemory, info: VmcoreInfo): SystemNames {
  const namespace = info.symbol("init_uts_ns");
  const name = info.offset("uts_namespace.name");
  const field = (index: number) =>
    namespace === null || name === null
      ? null
      : memory.text(namespace + BigInt(name + index * FIELD_BYTES), FIELD_BYTES);
  return { hostname: field(NODE) || null, release: field(RELEASE) || null, version: field(VERSION) || null };
}

/** The kernel's command line. boot_command_line is freed after boot, this copy stays. */
export function readCommandLine(memory: KernelMemory, symbols: Kallsyms): string | null {
  const pointer = symbols.address("saved_command_line");
  const at = pointer === null ? null : memory.u64(pointer);
  return at ? (memory.text(at, COMMAND_LINE_BYTES)?.trim() ?? null) : null;
}

/** tainted_mask, or null when it cannot be read. */
export function readTaintMask(memory: KernelMemory, symbols: Kallsyms): bigint | null {
  const at = symbols.address("tainted_mask");
  return at === null ? null : memory.u64(at);
}
