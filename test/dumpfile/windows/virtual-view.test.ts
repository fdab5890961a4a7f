import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type FilePiece, virtualView } from "../../../src/dumpfile/windows/virtual-view.ts";
import { bytesFile } from "../windows-sample.ts";

const BASE = 0xffff_f800_0000_0000n;

/** The plain twin: every address on its own, looked for in every piece; the one that starts first holds it. */
function twinByte(pieces: readonly FilePiece[], file: Uint8Array, address: bigint): number | null {
  const ordered = pieces.map((piece, order) => ({ piece, order }));
  ordered.sort((a, b) => Number(a.piece.address - b.piece.address) || a.order - b.order);
  for (const { piece } of ordered)
    if (address >= piece.address && address < piece.address + BigInt(piece.bytes))
      return file[piece.offset + Number(address - piece.address)]!;
  return null;
}

const pieces = fc.array(
  fc.record({ at: fc.nat(400), offset: fc.nat(900), bytes: fc.integer({ min: 0, max: 60 }) }).map((piece) => ({
    address: BASE + BigInt(piece.at),
    offset: piece.offset,
    bytes: piece.bytes,
  })),
  { maxLength: 25 },
);

describe("one view over pieces that are unsorted, touch and overlap", () => {
  const file = Uint8Array.from({ length: 1000 }, (_, index) => (index * 7 + (index >> 8)) & 0xff);

  it("every byte and every range reads as a plain search finds it", () => {
    fc.assert(
      fc.property(pieces, fc.nat(460), fc.nat(120), (list, from, length) => {
        const view = virtualView(bytesFile(file), list);
        const expected = Array.from({ length }, (_, index) => twinByte(list, file, BASE + BigInt(from + index)));
        const got = view.read(BASE + BigInt(from), length);
        if (expected.includes(null)) expect(got).toBeNull();
        else if (length > 0) expect([...got!]).toEqual(expected);
      }),
      { numRuns: 2000 },
    );
  });

  it("its blocks are the addresses that can be read, told once, ascending, with gaps between them", () => {
    fc.assert(
      fc.property(pieces, (list) => {
        const blocks = virtualView(bytesFile(file), list).blocks();
        const told = blocks.flatMap((block) =>
          Array.from({ length: block.bytes }, (_, n) => Number(block.address - BASE) + n),
        );
        const readable = Array.from({ length: 470 }, (_, at) => at).filter(
          (at) => twinByte(list, file, BASE + BigInt(at)) !== null,
        );
        expect(told).toEqual(readable);
        expect(blocks.every((block) => block.bytes > 0)).toBe(true);
        for (const [index, block] of blocks.slice(1).entries())
          expect(block.address).toBeGreaterThan(blocks[index]!.address + BigInt(blocks[index]!.bytes));
      }),
      { numRuns: 300 },
    );
  });

  it("a piece at the very top of the address space reads to its last byte and no further", () => {
    const view = virtualView(bytesFile(file), [{ address: 2n ** 64n - 16n, offset: 100, bytes: 16 }]);
    expect([...view.read(2n ** 64n - 1n, 1)!]).toEqual([file[115]]);
    expect(view.read(2n ** 64n - 1n, 2)).toBeNull();
    expect(view.read(0n, 1)).toBeNull();
  });
});
