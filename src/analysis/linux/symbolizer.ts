import type { Btf } from "./btf.ts";
import type { Kallsyms } from "./kallsyms.ts";
import type { KernelMemory } from "./kernel-memory.ts";
import { ModuleSymbols } from "./module-symbols.ts";
import type { KernelModule, ModuleRegion } from "./modules.ts";

/** What lies at an address of kernel text. */
export interface Place {
  /** Null in a module whose own symbols are not in the dump. */
  readonly function: string | null;
  /** Bytes from the function's start. */
  readonly offset: number | null;
  /** Null for the kernel itself. */
  readonly module: KernelModule | null;
}

/** Addresses to names and back, over the kernel's symbols and those of its modules; a module's are read when one is asked for. */
export class Symbolizer {
  readonly #memory: KernelMemory;
  readonly #kernel: Kallsyms;
  readonly #types: Btf | null;
  readonly #modules: readonly KernelModule[];
  readonly #moduleSymbols = new Map<KernelModule, ModuleSymbols | null>();

  constructor(memory: KernelMemory, kernel: Kallsyms, types: Btf | null, modules: readonly KernelModule[]) {
    this.#memory = memory;
    this.#kernel = kernel;
    this.#types = types;
    this.#modules = modules;
  }

  module(name: string): KernelModule | null {
    return this.#modules.find((module) => module.name === name) ?? null;
  }

  moduleAt(address: bigint): KernelModule | null {
    const covers = ({ base, size }: ModuleRegion) => address >= base && address < base + BigInt(size);
    return this.#modules.find(({ regions }) => regions.some(covers)) ?? null;
  }

  /** Null when neither the kernel nor a module covers the address. */
  at(address: bigint): Place | null {
    const module = this.moduleAt(address);
    const symbol = module ? this.#symbolsOf(module)?.at(address) : this.#kernel.at(address);
    if (!module && !symbol) return null;
    return { function: symbol?.name ?? null, offset: symbol?.offset ?? null, module };
  }

  /**
   * What a return address belongs to: the call before it. A call that never returns may be a function's last instruction,
   * and the address behind it the next function's first.
   */
  caller(returnAddress: bigint): Place | null {
    const place = this.at(returnAddress - 1n);
    return place && { ...place, offset: place.offset === null ? null : place.offset + 1 };
  }

  /**
   * The start of a function that the log names as `name+0x…/size [module]`. Functions of one name are told apart by their
   * size; null when that does not settle it.
   */
  start(name: string, size: number, module: string | null): bigint | null {
    const home = module === null ? null : this.module(module);
    if (module !== null && home === null) return null;
    const source = home ? this.#symbolsOf(home) : this.#kernel;
    if (!source) return null;
    const all = source.addresses(name);
    if (all.length <= 1) return all[0] ?? null;
    const fitting = all.filter((address) => source.at(address)?.size === size);
    return fitting.length === 1 ? fitting[0]! : null;
  }

  #symbolsOf(module: KernelModule): ModuleSymbols | null {
    let symbols = this.#moduleSymbols.get(module);
    if (symbols === undefined) {
      symbols = this.#types && ModuleSymbols.read(this.#memory, this.#types, module);
      this.#moduleSymbols.set(module, symbols);
    }
    return symbols;
  }
}
