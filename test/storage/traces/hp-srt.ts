/** An HP SRT trace of requests for 8 KiB at block 25, a second apart, on a disk whose partition 14 is swap. Flag 1: a read. */
export function srt(requests: readonly { device: number; flags: number }[]): Uint8Array {
  const header = `$$TR_IOREC-1.3\ndisks = {\n 0 -> {\n disktype = hp335h,\n sections = {\n 8 -> {\n "/",\n },\n 14 -> {\n "<swap>",\n }\n }\n }\n};\n\f`;
  const records = requests.map(({ device, flags }, second) => {
    const view = new DataView(new ArrayBuffer(56));
    const words = [56, 0x40001, 7 + second, 500_000, 0, 0, 8192, 25, device, 4, 0, flags, 0, 0];
    for (const [index, word] of words.entries()) view.setInt32(index * 4, word);
    return new Uint8Array(view.buffer);
  });
  return Buffer.concat([Buffer.from(header, "latin1"), ...records]);
}
