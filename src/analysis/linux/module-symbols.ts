import { address as address64, layout, u8, u16, u32, u64 } from "../../binary/index.ts";
import type { Btf } from "./btf.ts";
import type { SymbolAt } from "./kallsyms.ts";
import type { KernelMemory } from "./kernel-memory.ts";
import type { KernelModule } from "./modules.ts";

/** Elf64_Sym, as modules keep them; st_value is final. Source: ELF-64 object file format, symbol table. */
const elfSymbol = layout("Elf64_Sym", 24, {
  name: u32(0, "offset into the string table"),
  info: u8(4),
  other: u8(5),
  section: u16(6, "0: undefined, lives elsewhere"),
  value: address64(8),
  size: u64(16),
});

const MOST_SYMBOLS = 1 << 18;
const LONGEST_NAME = 512;

interface Entry {
  readonly name: string;
  readonly start: bigint;
}

/** The symbols a module brought along (struct mod_kallsyms), by address. */
export class ModuleSymbols {
  readonly #entries: readonly Entry[];
  readonly #module: KernelModule;

  private constructor(entries: readonly Entry[], module: KernelModule) {
    this.#entries = entries;
    this.#module = module;
  }

  static read(memory: KernelMemory, types: Btf, module: KernelModule): ModuleSymbols | null {
    const pointer = types.offset("module", "kallsyms");
    const table = pointer === null ? null : memory.u64(module.address + BigInt(pointer));
    const field = (name: string) => BigInt(types.offset("mod_kallsyms", name) ?? -1);
    if (!table || [field("symtab"), field("num_symtab"), field("strtab")].includes(-1n)) return null;
    const symbols = memory.u64(table + field("symtab"));
    const strings = memory.u64(table + field("strtab"));
    const count = memory.u32(table + field("num_symtab"));
    if (symbols === null || strings === null || count === null || count > MOST_SYMBOLS) return null;
    const bytes = memory.readUpTo(symbols, count * elfSymbol.size);
    const entries: Entry[] = [];
    for (let at = 0; at + elfSymbol.size <= bytes.length; at += elfSymbol.size) {
      const symbol = elfSymbol.read(bytes, at);
      // While a module's init function runs, the symbols it imports stand here too.
      if (symbol.section === 0) continue;
      const name = memory.text(strings + BigInt(symbol.name), LONGEST_NAME);
      if (name) entries.push({ name, start: symbol.value });
    }
    return new ModuleSymbols(entries.sort(byStart), module);
  }

  addresses(name: string): bigint[] {
    return this.#entries.filter((entry) => entry.name === name).map((entry) => entry.start);
  }

  at(address: bigint): SymbolAt | null {
    const region = this.#module.regions.find((r) => address >= r.base && address < r.base + BigInt(r.size));
    const above = this.#entries.findIndex((entry) => entry.start > address);
    const last = this.#entries.at(above < 0 ? -1 : above - 1);
    if (!region || above === 0 || !last || last.start < region.base) return null;
    const first = this.#entries.find((entry) => entry.start === last.start)!;
    const regionEnd = region.base + BigInt(region.size);
    const next = this.#entries[above]?.start ?? regionEnd;
    const end = next < regionEnd ? next : regionEnd;
    return {
      name: first.name,
      start: first.start,
      offset: Number(address - first.start),
      size: Number(end - first.start),
    };
  }
}

const byStart = (a: Entry, b: Entry) => (a.start < b.start ? -1 : a.start > b.start ? 1 : 0);
