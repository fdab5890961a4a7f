import type { Btf } from "./btf.ts";
import type { Kallsyms } from "./kallsyms.ts";
import type { KernelMemory } from "./kernel-memory.ts";
import { listEntries } from "./linked-list.ts";
import { taintLetters } from "./taint.ts";

const MOST_MODULES = 1 << 14;
/** MODULE_NAME_LEN: 64 bytes less a long. */
const NAME_BYTES = 56;
/** enum mod_mem_type behind text (0): data, rodata, read-only after init; then text, data and rodata of init, freed after it. */
const CORE_DATA = [1, 2, 3];
const INIT = [4, 5, 6];
/** enum module_state: its init function is running; its memory is not laid out yet. */
const COMING = 1;
const UNFORMED = 3;

/** A stretch of a module's memory. */
export interface ModuleRegion {
  readonly base: bigint;
  readonly size: number;
}

export interface KernelModule {
  /** Address of its struct module. */
  readonly address: bigint;
  readonly name: string;
  /** Start of its text. */
  readonly base: bigint;
  /** Bytes it occupies in all, as /proc/modules has it. */
  readonly size: number;
  /** Where its code and data lie; that of its init function too while it runs. */
  readonly regions: readonly ModuleRegion[];
  /** Taint letters, `OE` for one built out of the tree and unsigned; empty for most. */
  readonly taint: string;
}

export interface ModuleList {
  readonly modules: readonly KernelModule[];
  readonly whole: boolean;
}

/** The list behind the symbol `modules`, newest first. Null without the types to read it. Source: linux-vmcore.md section 7. */
export function readModules(memory: KernelMemory, symbols: Kallsyms, types: Btf): ModuleList | null {
  const head = symbols.address("modules");
  const list = types.offset("module", "list");
  const name = types.offset("module", "name");
  if (head === null || list === null || name === null) return null;
  const { entries, whole } = listEntries(memory, head, MOST_MODULES);
  const modules: KernelModule[] = [];
  let missing = false;
  for (const entry of entries) {
    const address = BigInt.asUintN(64, entry - BigInt(list));
    const state = memory.u32(address + BigInt(types.offset("module", "state") ?? 0));
    if (state === UNFORMED) continue;
    const text = memory.text(address + BigInt(name), NAME_BYTES);
    const { core, init } = readRegions(memory, types, address);
    if (!text || core.length === 0) {
      missing = true;
      continue;
    }
    modules.push({
      address,
      name: text,
      base: core[0]!.base,
      size: core.reduce((sum, region) => sum + region.size, 0),
      regions: state === COMING ? [...core, ...init] : core,
      taint: readTaint(memory, types, address),
    });
  }
  return { modules, whole: whole && !missing };
}

/** Text first. 6.4 split core_layout into mem[], one entry a kind of memory (kernel commit ac3b43283923). */
function readRegions(memory: KernelMemory, types: Btf, module: bigint): Record<"core" | "init", ModuleRegion[]> {
  const read = (member: string, skip: number): ModuleRegion[] => {
    const base = types.offset("module", `${member}.base`);
    const size = types.offset("module", `${member}.size`);
    if (base === null || size === null) return [];
    const at = module + BigInt(skip);
    const region = { base: memory.u64(at + BigInt(base)) ?? 0n, size: memory.u32(at + BigInt(size)) ?? 0 };
    return region.base === 0n || region.size === 0 ? [] : [region];
  };
  const stride = types.size("module_memory");
  if (stride === null) return { core: read("core_layout", 0), init: read("init_layout", 0) };
  const text = read("mem", 0);
  const all = (kinds: readonly number[]) => kinds.flatMap((kind) => read("mem", kind * stride));
  return { core: text.length === 0 ? [] : [...text, ...all(CORE_DATA)], init: all(INIT) };
}

function readTaint(memory: KernelMemory, types: Btf, module: bigint): string {
  const offset = types.offset("module", "taints");
  const mask = offset === null ? null : memory.u64(module + BigInt(offset));
  return mask === null ? "" : taintLetters(mask).join("");
}
