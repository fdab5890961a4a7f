import {
  ACCESS_AC,
  ACCESS_FETCH,
  ACCESS_IMPLICIT,
  ACCESS_USER,
  ACCESS_WRITE,
  CR0_PE,
  CR0_PG,
  CR0_WP,
  CR4_LA57,
  CR4_PAE,
  CR4_PGE,
  CR4_PKE,
  CR4_SMAP,
  CR4_SMEP,
  EFER_LME,
  EFER_NXE,
} from "../../src/paging/index.ts";
import type { EngineMachine } from "./engine-machine.ts";

/** A small generator of numbers below a bound; the same seed gives the same. */
export function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

const KINDS = [0, ACCESS_WRITE, ACCESS_FETCH];
const BY = [0, ACCESS_USER, ACCESS_IMPLICIT, ACCESS_AC, ACCESS_USER | ACCESS_AC];
export const anyAccess = (below: (n: number) => number) => KINDS[below(3)]! | BY[below(5)]!;

export function anyControl(below: (n: number) => number) {
  const some = (bit: number, odds = 2) => (below(odds) === 0 ? bit : 0);
  return {
    cr0: CR0_PE | CR0_PG | some(CR0_WP),
    cr4: CR4_PAE | CR4_PGE | some(CR4_SMEP) | some(CR4_SMAP) | some(CR4_PKE, 4) | some(CR4_LA57, 4),
    efer: EFER_LME | (below(4) === 0 ? 0 : EFER_NXE),
    pkru: below(2) === 0 ? 0 : below(2 ** 31),
  };
}

export const PAGES = 24;

/** Tables of all levels that point anywhere in a small memory, at themselves too; mostly sound and touched before. */
export function anyTables(machine: EngineMachine, below: (n: number) => number): void {
  for (let page = 1; page < 12; page++)
    for (const index of [0, 1, 255, 256, 511]) {
      let entry = BigInt(1 + below(below(3) === 0 ? PAGES - 1 : 11)) << 12n;
      entry |= BigInt([0x67, 0x67, 0x67, 0x67, 0x67, 0x27, 0x63, 0x65, 0x61, 0x7, 0x6, 0xe7][below(12)]!);
      if (below(24) === 0) entry |= 0x80n;
      if (below(6) === 0) entry &= ~0x1f_f000n; // a large page's address has to be aligned
      if (below(16) === 0) entry |= 1n << 63n;
      if (below(40) === 0) entry |= 1n << BigInt(12 + below(51));
      if (below(4) === 0) entry |= BigInt(below(16)) << 59n;
      if (below(4) === 0) entry |= 0x100n;
      machine.setEntry(page * 4096 + index * 8, entry);
    }
}

const INDEXES = [0, 1, 255, 256, 511];

export function anyAddress(below: (n: number) => number): bigint {
  let address = 0n;
  for (let level = 0; level < 5; level++) address = (address << 9n) | BigInt(INDEXES[below(5)]!);
  const linear = (address << 12n) | BigInt(below(4096));
  return below(8) === 0 ? linear : BigInt.asUintN(64, BigInt.asIntN(below(3) === 0 ? 57 : 48, linear));
}

export const halves = (linear: bigint) =>
  [Number(BigInt.asIntN(32, linear >> 32n)), Number(BigInt.asIntN(32, linear))] as const;
