import type { KernelMemory } from "./kernel-memory.ts";
import type { VmcoreInfo } from "./vmcoreinfo.ts";

/** A symbol that covers an address. */
export interface SymbolAt {
  readonly name: string;
  readonly start: bigint;
  /** Bytes from the symbol's start to the address asked for. */
  readonly offset: number;
  /** Bytes up to the next symbol. */
  readonly size: number;
}

/** No kernel has come near; what asks for more is a damaged count. */
const MOST_SYMBOLS = 1 << 20;
/** KSYM_NAME_LEN is 512, the type letter included. */
const LONGEST_NAME = 512;
const MOST_NAME_BYTES = 1 << 27;

/**
 * The kernel's own symbol table, which Debian and most distributions keep complete in memory (CONFIG_KALLSYMS_ALL).
 * Names are compressed with a table of 256 tokens; addresses are 32-bit offsets. The parts lie in a different order in
 * 6.1 and in 6.12, so each is found through its own SYMBOL(). Source: linux-vmcore.md section 5.
 */
export class Kallsyms {
  readonly count: number;
  /** False when a page of the tables is missing, so that names at the end are not known. */
  readonly complete: boolean;
  readonly #offsets: Int32Array;
  readonly #base: bigint;
  /** True: an offset that is not negative is a plain value (per-CPU), a negative one counts down from the base less 1. */
  readonly #absolutePerCpu: boolean;
  readonly #names: Names;
  readonly #sorted: AddressOrder;

  private constructor(names: Names, offsets: Int32Array, base: bigint, absolutePerCpu: boolean, complete: boolean) {
    this.count = names.count;
    this.complete = complete;
    this.#names = names;
    this.#offsets = offsets;
    this.#base = base;
    this.#absolutePerCpu = absolutePerCpu;
    this.#sorted = orderByAddress(offsets, names.count, absolutePerCpu);
  }

  /** Null when the kernel does not say where its tables are (before 6.0), or when they cannot be read at all. */
  static read(memory: KernelMemory, info: VmcoreInfo): Kallsyms | null {
    const tables = locate(memory, info);
    if (tables === null) return null;
    const { count, base } = tables;
    const offsetBytes = memory.readUpTo(tables.offsets, count * 4);
    const offsets = new Int32Array(offsetBytes.slice(0, offsetBytes.length & ~3).buffer);
    const names = expandNames(
      memory.readUpTo(tables.names, tables.nameBytes),
      memory.readUpTo(tables.tokenTable, tables.tokenBytes),
      memory.readUpTo(tables.tokenIndex, 512),
      Math.min(count, offsets.length),
    );
    if (names.count === 0) return null;
    const stext = info.symbol("_stext");
    const complete = names.count === count;
    const perCpu = new Kallsyms(names, offsets, base, true, complete);
    if (stext === null || perCpu.addresses("_stext").includes(stext)) return perCpu;
    const plain = new Kallsyms(names, offsets, base, false, complete);
    return plain.addresses("_stext").includes(stext) ? plain : perCpu;
  }

  /** The address of the only or first symbol of this name; for a per-CPU variable its offset in each CPU's area. */
  address(name: string): bigint | null {
    return this.addresses(name)[0] ?? null;
  }

  /** All addresses of a name (static functions of one name are common), in the table's order. */
  addresses(name: string): bigint[] {
    return this.#names.find(name).map((index) => this.#value(index));
  }

  /** The symbol that covers `address`; of several at one place the first of the table, as the kernel prints it. */
  at(address: bigint): SymbolAt | null {
    const distance = address - this.#base;
    if (distance < 0n || distance > 0xffff_ffffn) return null;
    const { distances, indices } = this.#sorted;
    const wanted = Number(distance);
    const above = upperBound(distances, wanted);
    if (above === 0 || above === distances.length) return null;
    const start = distances[above - 1]!;
    let first = above - 1;
    while (first > 0 && distances[first - 1] === start) first--;
    return {
      name: this.#names.name(indices[first]!),
      start: this.#base + BigInt(start),
      offset: wanted - start,
      size: distances[above]! - start,
    };
  }

  #value(index: number): bigint {
    const offset = this.#offsets[index]!;
    if (!this.#absolutePerCpu) return this.#base + BigInt(offset >>> 0);
    return offset >= 0 ? BigInt(offset) : this.#base - 1n - BigInt(offset);
  }
}

function locate(memory: KernelMemory, info: VmcoreInfo) {
  const symbol = (name: string) => info.symbol(`kallsyms_${name}`);
  const [names, offsets] = [symbol("names"), symbol("offsets")];
  const [tokenTable, tokenIndex] = [symbol("token_table"), symbol("token_index")];
  const countAt = symbol("num_syms");
  const baseAt = symbol("relative_base");
  if (names === null || offsets === null || tokenTable === null || tokenIndex === null) return null;
  const count = countAt === null ? null : memory.u32(countAt);
  const base = baseAt === null ? null : memory.u64(baseAt);
  if (count === null || base === null || count === 0 || count > MOST_SYMBOLS) return null;
  // The names' length is written nowhere: they end before the next table at the latest.
  const nextTable = tokenTable > names ? Number(tokenTable - names) : Number.POSITIVE_INFINITY;
  const nameBytes = Math.min(nextTable, count * 64, MOST_NAME_BYTES);
  const tokenBytes = tokenIndex > tokenTable ? Math.min(Number(tokenIndex - tokenTable), 1 << 16) : 1 << 16;
  return { count, base, names, offsets, tokenTable, tokenIndex, nameBytes, tokenBytes };
}

/** Expanded names in one run of bytes, with a hash over them. */
class Names {
  readonly count: number;
  readonly #bytes: Uint8Array;
  readonly #starts: Uint32Array;
  readonly #heads: Int32Array;
  readonly #next: Int32Array;

  constructor(count: number, bytes: Uint8Array, starts: Uint32Array) {
    this.count = count;
    this.#bytes = bytes;
    this.#starts = starts;
    this.#heads = new Int32Array(1 << Math.ceil(Math.log2(count + 1))).fill(-1);
    this.#next = new Int32Array(count);
    // From the last to the first, so that each chain gives the table's order.
    for (let index = count - 1; index >= 0; index--) {
      const slot = hash(bytes, starts[index]!, starts[index + 1]!) & (this.#heads.length - 1);
      this.#next[index] = this.#heads[slot]!;
      this.#heads[slot] = index;
    }
  }

  name(index: number): string {
    const start = this.#starts[index]!;
    return Buffer.from(this.#bytes.buffer, start, this.#starts[index + 1]! - start).toString("latin1");
  }

  find(name: string): number[] {
    const wanted = Buffer.from(name, "latin1");
    const found: number[] = [];
    let index = this.#heads[hash(wanted, 0, wanted.length) & (this.#heads.length - 1)]!;
    for (; index >= 0; index = this.#next[index]!) if (this.#equals(index, wanted)) found.push(index);
    return found;
  }

  #equals(index: number, wanted: Uint8Array): boolean {
    const start = this.#starts[index]!;
    if (this.#starts[index + 1]! - start !== wanted.length) return false;
    for (let i = 0; i < wanted.length; i++) if (this.#bytes[start + i] !== wanted[i]) return false;
    return true;
  }
}

/** FNV-1a. */
function hash(bytes: Uint8Array, from: number, to: number): number {
  let value = 0x811c9dc5;
  for (let i = from; i < to; i++) value = Math.imul(value ^ bytes[i]!, 0x01000193);
  return value >>> 0;
}

/** Each name is a length (one byte, or two when bit 7 is set) and that many token numbers; its first letter is the nm type. */
function expandNames(packed: Uint8Array, tokenTable: Uint8Array, tokenIndex: Uint8Array, limit: number): Names {
  const { starts: tokenStarts, ends: tokenEnds } = tokens(tokenTable, tokenIndex);
  const starts = new Uint32Array(limit + 1);
  let bytes = new Uint8Array(limit * 24 + LONGEST_NAME);
  let write = 0;
  let read = 0;
  let count = 0;
  for (; count < limit && read < packed.length; count++) {
    let length = packed[read++]!;
    if (length & 0x80) length = (length & 0x7f) | ((packed[read++] ?? 0) << 7);
    if (length === 0 || read + length > packed.length) break;
    if (write + LONGEST_NAME > bytes.length) {
      if (bytes.length >= MOST_NAME_BYTES) break;
      const larger = new Uint8Array(bytes.length * 2);
      larger.set(bytes);
      bytes = larger;
    }
    const start = write;
    let skip = 1; // the type letter
    for (const end = read + length; read < end; read++) {
      const token = packed[read]!;
      const tokenEnd = tokenEnds[token]!;
      for (let at = tokenStarts[token]! + skip; at < tokenEnd && write - start < LONGEST_NAME; at++)
        bytes[write++] = tokenTable[at]!;
      if (tokenEnd > tokenStarts[token]!) skip = 0;
    }
    starts[count + 1] = write;
  }
  return new Names(count, bytes, starts);
}

function tokens(table: Uint8Array, index: Uint8Array) {
  const starts = new Uint32Array(256);
  const ends = new Uint32Array(256);
  for (let token = 0; token < 256; token++) {
    const start = Math.min((index[token * 2] ?? 0) | ((index[token * 2 + 1] ?? 0) << 8), table.length);
    const end = table.indexOf(0, start);
    starts[token] = start;
    ends[token] = end < 0 ? table.length : end;
  }
  return { starts, ends };
}

interface AddressOrder {
  /** Bytes above the base, ascending. */
  readonly distances: Uint32Array;
  /** The table's index of each. */
  readonly indices: Uint32Array;
}

function orderByAddress(offsets: Int32Array, count: number, absolutePerCpu: boolean): AddressOrder {
  const distances = new Uint32Array(count);
  const indices = new Uint32Array(count);
  let used = 0;
  let ascending = true;
  for (let index = 0; index < count; index++) {
    const offset = offsets[index]!;
    if (absolutePerCpu && offset >= 0) continue;
    const distance = absolutePerCpu ? -1 - offset : offset >>> 0;
    if (used > 0 && distance < distances[used - 1]!) ascending = false;
    distances[used] = distance;
    indices[used++] = index;
  }
  if (ascending) return { distances: distances.subarray(0, used), indices: indices.subarray(0, used) };
  const order = Uint32Array.from({ length: used }, (_, i) => i).sort((a, b) => distances[a]! - distances[b]! || a - b);
  return { distances: order.map((i) => distances[i]!), indices: order.map((i) => indices[i]!) };
}

/** The first place whose value is above `wanted`. */
function upperBound(ascending: Uint32Array, wanted: number): number {
  let low = 0;
  let high = ascending.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (ascending[middle]! <= wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}
