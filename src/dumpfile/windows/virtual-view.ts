import type { VirtualBlock, VirtualBlocks } from "../../binary/index.ts";
import type { DumpFile } from "../file.ts";

/** A piece of virtual memory and where it lies in the file. */
export interface FilePiece {
  readonly address: bigint;
  readonly offset: number;
  readonly bytes: number;
}

/** One past the last piece's end, as addresses go: pieces up to the very top of memory have no 64-bit end. */
const endOf = (piece: FilePiece) => piece.address + BigInt(piece.bytes);

/** Ascending and disjoint: where pieces overlap, the one that starts first is read. */
function disjoint(pieces: readonly FilePiece[]): FilePiece[] {
  const result: FilePiece[] = [];
  let next = 0n;
  for (const piece of pieces.toSorted((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : 0))) {
    const end = endOf(piece);
    if (end <= next || piece.bytes === 0) continue;
    const covered = piece.address < next ? Number(next - piece.address) : 0;
    result.push({
      address: piece.address + BigInt(covered),
      offset: piece.offset + covered,
      bytes: piece.bytes - covered,
    });
    next = end;
  }
  return result;
}

/** Pieces that touch, told as one block. */
function joined(pieces: readonly FilePiece[]): VirtualBlock[] {
  const blocks: { address: bigint; bytes: number }[] = [];
  let next = -1n;
  for (const piece of pieces) {
    if (piece.address === next) blocks.at(-1)!.bytes += piece.bytes;
    else blocks.push({ address: piece.address, bytes: piece.bytes });
    next = endOf(piece);
  }
  return blocks;
}

/** Virtual memory that lies in pieces over a file; the pieces may be in any order and overlap. */
export function virtualView(file: DumpFile, pieces: readonly FilePiece[]): VirtualBlocks {
  const sorted = disjoint(pieces);
  const blocks = joined(sorted);

  /** Index of the last piece that starts at or below the address, or -1. */
  const pieceAt = (address: bigint): number => {
    let low = 0;
    let high = sorted.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (sorted[middle]!.address <= address) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  };

  return {
    blocks: () => blocks,
    read(address, length) {
      const first = pieceAt(address);
      if (first < 0) return null;
      const end = address + BigInt(length);
      let last = first;
      while (endOf(sorted[last]!) < end && sorted[last + 1]?.address === endOf(sorted[last]!)) last++;
      if (endOf(sorted[last]!) < end) return null;
      const skip = Number(address - sorted[first]!.address);
      if (first === last) return file.read(sorted[first]!.offset + skip, length);
      const bytes = new Uint8Array(length);
      let done = 0;
      for (let index = first; index <= last; index++) {
        const { offset, bytes: whole } = sorted[index]!;
        const from = index === first ? skip : 0;
        const part = Math.min(whole - from, length - done);
        bytes.set(file.read(offset + from, part), done);
        done += part;
      }
      return bytes;
    },
  };
}
