import { describe, expect, it } from "vitest";
import { KernelMemory } from "../../src/analysis/linux/kernel-memory.ts";
import type { OrcRule } from "../../src/analysis/linux/orc.ts";
import { unwind } from "../../src/analysis/linux/unwind.ts";
import { BuiltMemory, IMAGE, imageMap } from "./linux-built-kernel.ts";

const CODE = IMAGE + 0x10_0000n;
const STACK = IMAGE + 0x1800n;
const NOWHERE = 0x6b6b_6b6b_6b6b_6b6bn;

const rule = (kind: OrcRule["kind"]): OrcRule => ({
  stack: "sp",
  stackOffset: 16,
  frame: "undefined",
  frameOffset: 0,
  kind,
});
/** A caller with one word of locals, and above it the end of the stack. Nothing else is code. */
const ruleAt = (address: bigint): OrcRule | null => {
  if (address >= CODE && address < CODE + 0x100n) return rule("call");
  if (address >= CODE + 0x100n && address < CODE + 0x200n) return rule("end");
  return null;
};

function stackOf(ip: bigint, ...words: bigint[]) {
  const memory = new BuiltMemory(4);
  words.forEach((word, n) => {
    memory.u64(STACK + BigInt(n * 8), word);
  });
  const none = { bp: 0n, dx: null, di: null, r10: null, r13: null };
  const { frames, whole } = unwind(new KernelMemory(memory, imageMap), ruleAt, { ip, sp: STACK, ...none });
  return { frames: frames.map(({ address, isReturn }) => [address, isReturn]), whole };
}

describe("a processor that was sent where no code is", () => {
  it("came from the call that pushed the last word of its stack", () => {
    expect(stackOf(NOWHERE, CODE + 0x40n, 7n, CODE + 0x140n)).toEqual({
      frames: [
        [NOWHERE, false],
        [CODE + 0x40n, true],
        [CODE + 0x140n, true],
      ],
      whole: true,
    });
  });

  it("did not come by a call where that word is no return address, nor does a caller", () => {
    expect(stackOf(NOWHERE, 7n, CODE + 0x40n)).toEqual({ frames: [[NOWHERE, false]], whole: false });
    expect(stackOf(CODE + 0x40n, 7n, NOWHERE, CODE + 0x40n)).toEqual({
      frames: [
        [CODE + 0x40n, false],
        [NOWHERE, true],
      ],
      whole: false,
    });
  });
});
