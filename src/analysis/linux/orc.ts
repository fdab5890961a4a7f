import type { Btf } from "./btf.ts";
import type { Kallsyms } from "./kallsyms.ts";
import type { KernelMemory } from "./kernel-memory.ts";
import type { KernelModule } from "./modules.ts";

/** What the previous frame's stack pointer is counted from: ORC_REG_*, by number. */
const BASES = ["undefined", "previous sp", "dx", "di", "bp", "sp", "r10", "r13", "bp indirect", "sp indirect"] as const;
export type OrcBase = (typeof BASES)[number];

/** How a frame lies on the stack: below a call, below all registers of an exception, or below what the processor pushes. */
export type OrcFrame = "call" | "registers" | "interrupt" | "end" | "undefined";
const KINDS_6_1: readonly OrcFrame[] = ["call", "registers", "interrupt"];
/** 6.4 gave the end of a stack and unknown code numbers of their own (kernel commit fb799447ae29). */
const KINDS_6_4: readonly OrcFrame[] = ["undefined", "end", "call", "registers", "interrupt"];

/** How to step from the code at an address to its caller. */
export interface OrcRule {
  readonly stack: OrcBase;
  readonly stackOffset: number;
  readonly frame: OrcBase;
  readonly frameOffset: number;
  readonly kind: OrcFrame;
}

const ENTRY_BYTES = 6;
const MOST_ENTRIES = 1 << 23;

/**
 * One ORC table: addresses, each a signed 32-bit distance from where it stands, ascending, and beside them struct orc_entry
 * (s16 sp_offset, s16 bp_offset, u8 sp_reg:4 bp_reg:4, u8 type). The kernel has one, and each module its own.
 * Source: Documentation/arch/x86/orc-unwinder.rst and the types in BTF.
 */
export class OrcTable {
  readonly #memory: KernelMemory;
  readonly #addresses: bigint;
  readonly #entries: bigint;
  readonly #count: number;
  readonly #hasEndBit: boolean;

  private constructor(memory: KernelMemory, types: Btf, addresses: bigint, entries: bigint, count: number) {
    this.#memory = memory;
    this.#addresses = addresses;
    this.#entries = entries;
    this.#count = count;
    this.#hasEndBit = types.offset("orc_entry", "end") !== null;
  }

  static ofKernel(memory: KernelMemory, symbols: Kallsyms, types: Btf): OrcTable | null {
    const start = symbols.address("__start_orc_unwind_ip");
    const stop = symbols.address("__stop_orc_unwind_ip");
    const entries = symbols.address("__start_orc_unwind");
    if (start === null || stop === null || entries === null || stop <= start) return null;
    return OrcTable.#checked(memory, types, start, entries, Number(stop - start) / 4);
  }

  static ofModule(memory: KernelMemory, types: Btf, module: KernelModule): OrcTable | null {
    const at = (member: string) => {
      const offset = types.offset("module", `arch.${member}`);
      return offset === null ? null : module.address + BigInt(offset);
    };
    const [addressesAt, entriesAt, countAt] = [at("orc_unwind_ip"), at("orc_unwind"), at("num_orcs")];
    const addresses = addressesAt && memory.u64(addressesAt);
    const entries = entriesAt && memory.u64(entriesAt);
    const count = countAt && memory.u32(countAt);
    return addresses && entries && count ? OrcTable.#checked(memory, types, addresses, entries, count) : null;
  }

  static #checked(
    memory: KernelMemory,
    types: Btf,
    addresses: bigint,
    entries: bigint,
    count: number,
  ): OrcTable | null {
    if (types.size("orc_entry") !== ENTRY_BYTES || !Number.isInteger(count) || count > MOST_ENTRIES) return null;
    return new OrcTable(memory, types, addresses, entries, count);
  }

  /** The rule for the code at an address; null before the table's first, or where its page is missing. */
  find(address: bigint): OrcRule | null {
    let low = 0;
    let high = this.#count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const start = this.#address(middle);
      if (start === null) return null;
      if (start <= address) low = middle + 1;
      else high = middle;
    }
    return low === 0 ? null : this.#rule(low - 1);
  }

  #address(index: number): bigint | null {
    const at = this.#addresses + BigInt(index * 4);
    const distance = this.#memory.i32(at);
    return distance === null ? null : at + BigInt(distance);
  }

  #rule(index: number): OrcRule | null {
    const bytes = this.#memory.read(this.#entries + BigInt(index * ENTRY_BYTES), ENTRY_BYTES);
    if (bytes === null) return null;
    const view = new DataView(bytes.buffer, bytes.byteOffset, ENTRY_BYTES);
    const kind = this.#hasEndBit ? KINDS_6_1[bytes[5]! & 3] : KINDS_6_4[bytes[5]! & 7];
    return {
      stack: BASES[bytes[4]! & 15] ?? "undefined",
      stackOffset: view.getInt16(0, true),
      frame: BASES[bytes[4]! >> 4] ?? "undefined",
      frameOffset: view.getInt16(2, true),
      kind: this.#hasEndBit && bytes[5]! & 4 ? "end" : (kind ?? "undefined"),
    };
  }
}
