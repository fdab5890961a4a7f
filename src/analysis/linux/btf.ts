import type { Kallsyms } from "./kallsyms.ts";
import type { KernelMemory } from "./kernel-memory.ts";

const MAGIC = 0xeb9f;
const MOST_BYTES = 1 << 26;

/** enum of BTF kinds, and how many bytes follow the 12 of a type: `fixed + each * vlen`. Source: linux-vmcore.md section 6. */
const KIND = { array: 3, struct: 4, union: 5, typedef: 8, volatile: 9, const: 10, restrict: 11, typeTag: 18 } as const;
const TRAILER: Readonly<Record<number, { readonly fixed: number; readonly each: number }>> = {
  1: { fixed: 4, each: 0 }, // INT
  3: { fixed: 12, each: 0 }, // ARRAY
  4: { fixed: 0, each: 12 }, // STRUCT
  5: { fixed: 0, each: 12 }, // UNION
  6: { fixed: 0, each: 8 }, // ENUM
  13: { fixed: 0, each: 8 }, // FUNC_PROTO
  14: { fixed: 4, each: 0 }, // VAR
  15: { fixed: 0, each: 12 }, // DATASEC
  17: { fixed: 4, each: 0 }, // DECL_TAG
  19: { fixed: 0, each: 12 }, // ENUM64
};
const LAST_KIND = 19;
/** Typedefs and qualifiers in a row, and structures within one: more than this is damage. */
const LONGEST_CHAIN = 32;
const MOST_NESTED = 1024;

/**
 * The kernel's BTF: its types as it carries them in read-only memory, so they survive every dump filter.
 * One pass notes where each type starts; structures are looked up by name when they are asked for.
 */
export class Btf {
  /** Number of types, the void of id 0 not counted. */
  readonly count: number;
  readonly #view: DataView;
  readonly #bytes: Uint8Array;
  readonly #types: Uint32Array;
  readonly #strings: number;
  readonly #stringsEnd: number;
  readonly #structures: Uint32Array;
  readonly #found = new Map<string, number>();

  private constructor(bytes: Uint8Array, header: Header) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#strings = header.strings;
    this.#stringsEnd = Math.min(header.strings + header.stringBytes, bytes.length);
    const { types, structures } = index(
      this.#view,
      header.types,
      Math.min(header.types + header.typeBytes, bytes.length),
    );
    this.#types = types;
    this.#structures = structures;
    this.count = types.length - 1;
  }

  /** Null when these bytes are no BTF. */
  static parse(bytes: Uint8Array): Btf | null {
    const header = readHeader(bytes);
    return header && new Btf(bytes, header);
  }

  /** Between the linker's marks __start_BTF and __stop_BTF; null when the kernel carries none or its pages are missing. */
  static read(memory: KernelMemory, symbols: Kallsyms): Btf | null {
    const start = symbols.address("__start_BTF");
    const stop = symbols.address("__stop_BTF");
    if (start === null || stop === null || stop <= start || stop - start > BigInt(MOST_BYTES)) return null;
    return Btf.parse(memory.readUpTo(start, Number(stop - start)));
  }

  /** Bytes of a structure or union, or null when there is none of this name. */
  size(structure: string): number | null {
    const type = this.#structure(structure);
    return type === 0 ? null : this.#view.getUint32(this.#types[type]! + 8, true);
  }

  /**
   * Byte offset of a member of a structure. A path steps into structures within (`thread_info.cpu`), of an array into its
   * first element (`mem.base`), and through anonymous members by itself. Null when there is no such member.
   */
  offset(structure: string, path: string): number | null {
    let type = this.#structure(structure);
    let offset = 0;
    for (const name of path.split(".")) {
      const member = this.#member(type, Buffer.from(`${name}\0`, "latin1"), new Set());
      if (member === null) return null;
      offset += member.offset;
      type = this.#strip(member.type);
    }
    return offset;
  }

  #structure(name: string): number {
    const known = this.#found.get(name);
    if (known !== undefined) return known;
    const wanted = Buffer.from(`${name}\0`, "latin1");
    const type = this.#structures.find((id) => this.#isNamed(this.#types[id]!, wanted)) ?? 0;
    this.#found.set(name, type);
    return type;
  }

  /** Compares a record's name, NUL included. */
  #isNamed(record: number, wanted: Uint8Array): boolean {
    const at = this.#strings + this.#view.getUint32(record, true);
    if (at + wanted.length > this.#stringsEnd) return false;
    for (let i = 0; i < wanted.length; i++) if (this.#bytes[at + i] !== wanted[i]) return false;
    return true;
  }

  /** @param seen structures searched already: damaged types may contain themselves */
  #member(type: number, wanted: Uint8Array, seen: Set<number>): { offset: number; type: number } | null {
    const at = type === 0 ? undefined : this.#types[type];
    if (at === undefined || seen.has(type) || seen.size > MOST_NESTED) return null;
    seen.add(type);
    const info = this.#view.getUint32(at + 4, true);
    if (!isStructure(kindOf(info))) return null;
    const bitfields = info >>> 31 === 1;
    for (let i = 0; i < (info & 0xffff); i++) {
      const record = at + 12 + i * 12;
      const bits = this.#view.getUint32(record + 8, true);
      // kind_flag: the upper 8 bits are a bit field's width.
      const offset = (bitfields ? bits & 0xff_ffff : bits) >>> 3;
      const memberType = this.#view.getUint32(record + 4, true);
      if (this.#isNamed(record, wanted)) return { offset, type: memberType };
      if (this.#view.getUint32(record, true) !== 0) continue;
      const inner = this.#member(this.#strip(memberType), wanted, seen);
      if (inner) return { offset: offset + inner.offset, type: inner.type };
    }
    return null;
  }

  /** The structure behind typedefs, qualifiers and array elements; 0 when there is none. */
  #strip(type: number): number {
    for (let depth = 0; depth < LONGEST_CHAIN; depth++) {
      const at = type === 0 ? undefined : this.#types[type];
      if (at === undefined) return 0;
      const kind = kindOf(this.#view.getUint32(at + 4, true));
      if (kind === KIND.array) type = this.#view.getUint32(at + 12, true);
      else if (isAlias(kind)) type = this.#view.getUint32(at + 8, true);
      else return isStructure(kind) ? type : 0;
    }
    return 0;
  }
}

const kindOf = (info: number) => (info >>> 24) & 0x1f;
const isStructure = (kind: number) => kind === KIND.struct || kind === KIND.union;
const isAlias = (kind: number) =>
  kind === KIND.typedef || (kind >= KIND.volatile && kind <= KIND.restrict) || kind === KIND.typeTag;

interface Header {
  readonly types: number;
  readonly typeBytes: number;
  readonly strings: number;
  readonly stringBytes: number;
}

/** struct btf_header: u16 magic, u8 version, u8 flags, u32 hdr_len, then type_off, type_len, str_off, str_len from the header's end. */
function readHeader(bytes: Uint8Array): Header | null {
  if (bytes.length < 24) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint16(0, true) !== MAGIC) return null;
  const [length, types, typeBytes, strings, stringBytes] = [4, 8, 12, 16, 20].map((at) => view.getUint32(at, true));
  return { types: length! + types!, typeBytes: typeBytes!, strings: length! + strings!, stringBytes: stringBytes! };
}

/** Where each type's record starts, and which of them are named structures. Stops at the first record that cannot be one. */
function index(view: DataView, from: number, to: number): { types: Uint32Array; structures: Uint32Array } {
  const types = new Uint32Array(1 + Math.max(0, Math.floor((to - from) / 12)));
  const structures: number[] = [];
  let count = 1;
  for (let at = from; at + 12 <= to; ) {
    const info = view.getUint32(at + 4, true);
    const kind = kindOf(info);
    const trailer = TRAILER[kind];
    const end = at + 12 + (trailer ? trailer.fixed + trailer.each * (info & 0xffff) : 0);
    if (kind === 0 || kind > LAST_KIND || end > to) break;
    if (isStructure(kind) && view.getUint32(at, true) !== 0) structures.push(count);
    types[count++] = at;
    at = end;
  }
  return { types: types.slice(0, count), structures: Uint32Array.from(structures) };
}
