import { StopcodeError } from "./error.ts";

/** One field of a declared structure: where it lies, how many bytes, how it is read and written (little-endian). */
export interface Field<T> {
  readonly offset: number;
  readonly bytes: number;
  readonly note: string | undefined;
  get(view: DataView, at: number): T;
  set(view: DataView, at: number, value: T): void;
}

// biome-ignore lint/suspicious/noExplicitAny: a field of any value type; the values' types are inferred from it
type AnyFields = Readonly<Record<string, Field<any>>>;

/** The plain object a layout reads: one property a field. */
export type ValuesOf<F> = { [K in keyof F]: F[K] extends Field<infer T> ? T : never };

/** A structure as a table of fields. `read` and `write` check that the structure lies inside the bytes given. */
export interface Layout<F extends AnyFields> {
  readonly name: string;
  /** Bytes the whole structure takes. */
  readonly size: number;
  readonly fields: F;
  /** @throws StopcodeError `binary/short` when the structure does not fit at `at` */
  read(bytes: Uint8Array, at?: number): ValuesOf<F>;
  /** Writes the fields named in `values` and leaves every other byte as it is. */
  write(bytes: Uint8Array, at: number, values: Partial<ValuesOf<F>>): void;
}

function field<T>(
  offset: number,
  bytes: number,
  note: string | undefined,
  get: (view: DataView, at: number) => T,
  set: (view: DataView, at: number, value: T) => void,
): Field<T> {
  return { offset, bytes, note, get, set };
}

export const u8 = (offset: number, note?: string): Field<number> =>
  field(offset, 1, note, (v, at) => v.getUint8(at), (v, at, x) => v.setUint8(at, x)); // biome-ignore format: a table
export const u16 = (offset: number, note?: string): Field<number> =>
  field(offset, 2, note, (v, at) => v.getUint16(at, true), (v, at, x) => v.setUint16(at, x, true)); // biome-ignore format: a table
export const u32 = (offset: number, note?: string): Field<number> =>
  field(offset, 4, note, (v, at) => v.getUint32(at, true), (v, at, x) => v.setUint32(at, x, true)); // biome-ignore format: a table
export const i32 = (offset: number, note?: string): Field<number> =>
  field(offset, 4, note, (v, at) => v.getInt32(at, true), (v, at, x) => v.setInt32(at, x, true)); // biome-ignore format: a table
/** A 64-bit value kept whole, as a bigint. */
export const u64 = (offset: number, note?: string): Field<bigint> =>
  field(offset, 8, note, (v, at) => v.getBigUint64(at, true), (v, at, x) => v.setBigUint64(at, x, true)); // biome-ignore format: a table
/** A 64-bit virtual address. */
export const address = u64;

/**
 * A 64-bit count, size or file offset that is handed out as a number.
 * Values above 2^53 - 1 come back as that maximum: no real size is that large, so a later bounds check refuses them.
 */
export const size64 = (offset: number, note?: string): Field<number> =>
  field(
    offset,
    8,
    note,
    (v, at) => Math.min(v.getUint32(at + 4, true) * 2 ** 32 + v.getUint32(at, true), Number.MAX_SAFE_INTEGER),
    (v, at, x) => v.setBigUint64(at, BigInt(x), true),
  );

/** Fixed bytes, copied in and out. */
export const bytes = (offset: number, length: number, note?: string): Field<Uint8Array> =>
  field(
    offset,
    length,
    note,
    (v, at) => new Uint8Array(v.buffer, v.byteOffset + at, length).slice(),
    (v, at, x) => new Uint8Array(v.buffer, v.byteOffset + at, length).set(x.subarray(0, length)),
  );

/** Latin-1 text in a fixed field, up to the first NUL; written padded with NULs. */
export const text = (offset: number, length: number, note?: string): Field<string> =>
  field(
    offset,
    length,
    note,
    (v, at) => {
      const raw = Buffer.from(v.buffer, v.byteOffset + at, length);
      const end = raw.indexOf(0);
      return raw.toString("latin1", 0, end < 0 ? length : end);
    },
    (v, at, x) => {
      const raw = Buffer.from(v.buffer, v.byteOffset + at, length);
      raw.fill(0);
      raw.write(x, 0, length, "latin1");
    },
  );

const viewOf = (data: Uint8Array) => new DataView(data.buffer, data.byteOffset, data.byteLength);

/** Declares a structure. A field that lies outside `size` is a mistake of the table and throws at once. */
export function layout<const F extends AnyFields>(name: string, size: number, fields: F): Layout<F> {
  const table = Object.entries(fields) as [string, Field<unknown>][];
  for (const [key, f] of table)
    if (f.offset < 0 || f.offset + f.bytes > size) throw new RangeError(`${name}.${key} lies outside ${size} bytes`);
  const check = (data: Uint8Array, at: number) => {
    if (at < 0 || at + size > data.length)
      throw new StopcodeError(
        "binary/short",
        `${name} needs ${size} bytes, ${Math.max(0, data.length - at)} are there`,
        {
          where: { offset: at },
        },
      );
  };
  return {
    name,
    size,
    fields,
    read(data, at = 0) {
      check(data, at);
      const view = viewOf(data);
      return Object.fromEntries(table.map(([key, f]) => [key, f.get(view, at + f.offset)])) as ValuesOf<F>;
    },
    write(data, at, values) {
      check(data, at);
      const view = viewOf(data);
      for (const [key, value] of Object.entries(values)) {
        const f = (fields as AnyFields)[key];
        if (f && value !== undefined) f.set(view, at + f.offset, value);
      }
    },
  };
}
