export interface SampleSegment {
  readonly address: number;
  readonly bytes: Uint8Array;
  /** p_memsz; the bytes' length where it is not given. */
  readonly memoryBytes?: number;
  readonly virtualAddress?: bigint;
  /** Takes its bytes from another segment's place in the file. */
  readonly aliasOf?: number;
}

export interface ElfSample {
  readonly segments: readonly SampleSegment[];
  readonly notes?: readonly { readonly name: string; readonly type: number; readonly bytes: Uint8Array }[];
  /** As QEMU 7.2: section headers at 64, program headers behind them, e_ehsize 8. */
  readonly sectionsFirst?: boolean;
  /** The number of program headers in sh_info of section 0, e_phnum 0xffff. */
  readonly extendedCount?: boolean;
  readonly class?: number;
  readonly order?: number;
  readonly type?: number;
  readonly machine?: number;
}

const pad4 = (data: Buffer) => Buffer.concat([data, Buffer.alloc((4 - (data.length % 4)) % 4)]);

export function noteSample({ name, type, bytes }: NonNullable<ElfSample["notes"]>[number]): Buffer {
  const header = Buffer.alloc(12);
  header.writeUInt32LE(name.length + 1, 0);
  header.writeUInt32LE(bytes.length, 4);
  header.writeUInt32LE(type, 8);
  return Buffer.concat([header, pad4(Buffer.from(`${name}\0`)), pad4(Buffer.from(bytes))]);
}

/** An ELF core straight from the System V ABI's tables; `readelf` agrees with it. */
export function elfSample(sample: ElfSample): Buffer {
  const { segments } = sample;
  const sections = sample.sectionsFirst || sample.extendedCount;
  const table = sections ? 192 : 64;
  const notes = Buffer.concat((sample.notes ?? []).map(noteSample));
  const count = segments.length + 1;
  const head = Buffer.alloc(table + count * 56);
  head.write("\x7fELF", 0, "latin1");
  head[4] = sample.class ?? 2;
  head[5] = sample.order ?? 1;
  head[6] = 1;
  head.writeUInt16LE(sample.type ?? 4, 16);
  head.writeUInt16LE(sample.machine ?? 62, 18);
  head.writeUInt32LE(1, 20);
  head.writeBigUInt64LE(BigInt(table), 32);
  head.writeBigUInt64LE(sections ? 64n : 0n, 40);
  head.writeUInt16LE(sample.sectionsFirst ? 8 : 64, 52);
  head.writeUInt16LE(56, 54);
  head.writeUInt16LE(sample.extendedCount ? 0xffff : count, 56);
  head.writeUInt16LE(64, 58);
  head.writeUInt16LE(sections ? 1 : 0, 60);
  if (sample.extendedCount) head.writeUInt32LE(count, 64 + 44);

  let end = head.length + notes.length;
  const offsets = segments.map(({ bytes, aliasOf }) => {
    if (aliasOf !== undefined) return -1;
    const offset = end;
    end += bytes.length;
    return offset;
  });
  const writeHeader = (index: number, type: number, fields: readonly (number | bigint)[]) => {
    head.writeUInt32LE(type, table + index * 56);
    for (const [position, value] of fields.entries())
      head.writeBigUInt64LE(BigInt(value), table + index * 56 + 8 + position * 8);
  };
  writeHeader(0, 4, [head.length, 0, 0, notes.length, notes.length]);
  for (const [index, { address, bytes, memoryBytes, virtualAddress, aliasOf }] of segments.entries())
    writeHeader(index + 1, 1, [
      offsets[aliasOf ?? index]!,
      virtualAddress ?? 0n,
      address,
      bytes.length,
      memoryBytes ?? bytes.length,
    ]);
  return Buffer.concat([
    head,
    notes,
    ...segments.filter(({ aliasOf }) => aliasOf === undefined).map(({ bytes }) => bytes),
  ]);
}
