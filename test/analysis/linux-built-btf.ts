export const KIND = { int: 1, ptr: 2, array: 3, struct: 4, union: 5, fwd: 7, typedef: 8, volatile: 9 };

/** Writes BTF as pahole does; a structure's members are name, type and offset in bits. */
export class BuiltBtf {
  readonly #records: number[] = [];
  #strings = "\0";
  #count = 0;

  type(kind: number, name: string, sizeOrType: number, extra: readonly number[] = [], vlen = 0, flag = 0): number {
    this.#records.push(this.string(name), ((flag << 31) | (kind << 24) | vlen) >>> 0, sizeOrType, ...extra);
    return ++this.#count;
  }

  structure(
    name: string,
    size: number,
    members: readonly (readonly [string, number, number])[],
    flag = 0,
    kind = KIND.struct,
  ) {
    const extra = members.flatMap(([member, type, bits]) => [this.string(member), type, bits]);
    return this.type(kind, name, size, extra, members.length, flag);
  }

  string(text: string): number {
    if (text === "") return 0;
    const at = this.#strings.length;
    this.#strings += `${text}\0`;
    return at;
  }

  get bytes(): Uint8Array {
    const types = Buffer.from(Uint32Array.from(this.#records).buffer);
    const header = Buffer.alloc(24);
    header.writeUInt16LE(0xeb9f, 0);
    header.writeUInt8(1, 2);
    header.writeUInt32LE(24, 4);
    header.writeUInt32LE(types.length, 12);
    header.writeUInt32LE(types.length, 16);
    header.writeUInt32LE(this.#strings.length, 20);
    return Buffer.concat([header, types, Buffer.from(this.#strings, "latin1")]);
  }
}
