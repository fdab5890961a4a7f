import { describe, expect, it } from "vitest";
import { flippedBit } from "../../../src/analysis/nt/flipped-bit.ts";
import { KernelMemory } from "../../../src/analysis/nt/kernel-memory.ts";

const POOL = 0xffff_e410_04e0_0000n;
const PAGES = 16n;

/** A kernel that has 16 pages mapped and nothing else. */
const memory = new KernelMemory((address, length) =>
  address >= POOL && address + BigInt(length) <= POOL + PAGES * 0x1000n ? new Uint8Array(length) : null,
);
const kernel = { arch: "x86_64", memory } as const;

const stopped = (code: number, address: bigint, registers: Record<string, bigint> | null = null) =>
  flippedBit(kernel, { code, parameters: [address, 0n, 0n, 0n] }, registers);

const block = POOL + 0x2f30n;
const hex = (value: bigint) => `0x${value.toString(16)}`;

describe("an address that led nowhere", () => {
  it.each([21n, 30n, 39n, 46n])(
    "6.6/25: is a mapped one with bit %d flipped, for each stop code that has an address",
    (bit) => {
      const address = block ^ (1n << bit);
      for (const code of [0x0a, 0x50, 0xd1])
        expect(stopped(code, address)).toEqual({ address: hex(address), repaired: hex(block), bit: Number(bit) });
    },
  );

  it("6.6/25: is in a register where the bit makes it no address at all", () => {
    const address = block ^ (1n << 57n);
    const registers = { rbx: 0x18n, rcx: block, rax: address };
    expect(stopped(0x7e, 0xffff_ffff_c000_0005n, registers)).toMatchObject({ repaired: hex(block), bit: 57 });
    expect(stopped(0x7e, 0xffff_ffff_c000_0005n, { rcx: block, rax: 0x1234_5678_0000_0000n })).toBeNull();
  });

  it("is only a little wrong where something is mapped near it", () => {
    expect(stopped(0x50, POOL + PAGES * 0x1000n)).toBeNull();
    expect(stopped(0x50, block ^ (1n << 18n))).toBeNull();
  });

  it("is wild where no single bit makes it one that is mapped, and null is null", () => {
    expect(stopped(0x50, block ^ (1n << 30n) ^ (1n << 33n))).toBeNull();
    expect(stopped(0x50, 0x18n)).toBeNull();
  });

  it("is not looked at for a stop code without one", () => {
    expect(stopped(0x19, block ^ (1n << 30n))).toBeNull();
  });
});
