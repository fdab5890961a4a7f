/**
 * A slow, plain reader of 64-bit full and bitmap dumps: the specification read aloud, one bit and one page at a time, over the
 * whole file in memory. It shares no code with the reader it checks.
 */
export function twinPages(bytes: Uint8Array): Map<number, number> {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (file.toString("latin1", 0, 8) !== "PAGEDU64") throw new Error("not a 64-bit dump");
  const offsets = new Map<number, number>();
  const type = file.readUInt32LE(0xf98);
  if (type === 1) {
    let offset = 0x2000;
    for (let run = 0; run < file.readUInt32LE(0x88); run++) {
      const base = Number(file.readBigUInt64LE(0x98 + run * 16));
      const count = Number(file.readBigUInt64LE(0x98 + run * 16 + 8));
      for (let page = 0; page < count; page++, offset += 4096) offsets.set(base + page, offset);
    }
  } else {
    if (!["SDMPDUMP", "FDMPDUMP"].includes(file.toString("latin1", 0x2000, 0x2008))) throw new Error("no bitmap");
    let offset = Number(file.readBigUInt64LE(0x2020));
    const bits = Number(file.readBigUInt64LE(0x2030));
    for (let bit = 0; bit < bits; bit++)
      if ((file[0x2038 + Math.floor(bit / 8)]! >> (bit % 8)) & 1) {
        offsets.set(bit, offset);
        offset += 4096;
      }
  }
  for (const [page, offset] of offsets) if (offset + 4096 > file.length) offsets.delete(page);
  return offsets;
}
