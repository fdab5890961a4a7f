import { describe, expect, it } from "vitest";
import { KernelMemory } from "../../src/analysis/linux/kernel-memory.ts";
import { listEntries } from "../../src/analysis/linux/linked-list.ts";
import { taintLetters } from "../../src/analysis/linux/taint.ts";
import { stateLetter } from "../../src/analysis/linux/tasks.ts";
import { BuiltMemory, IMAGE, imageMap } from "./linux-built-kernel.ts";

const HEAD = IMAGE + 0x100n;

function list(...entries: bigint[]) {
  const memory = new BuiltMemory(4);
  [HEAD, ...entries].forEach((at, n) => {
    memory.u64(at, entries[n] ?? HEAD);
  });
  return memory;
}

describe("a kernel's linked list", () => {
  const [a, b, c] = [IMAGE + 0x1000n, IMAGE + 0x2010n, IMAGE + 0x1020n];

  it("is whole when it comes back to its head", () => {
    expect(listEntries(new KernelMemory(list(), imageMap), HEAD, 9)).toEqual({ entries: [], whole: true });
    expect(listEntries(new KernelMemory(list(a, b, c), imageMap), HEAD, 9)).toEqual({
      entries: [a, b, c],
      whole: true,
    });
  });

  it("ends at a loop that leaves the head out, at garbage, at a missing page and at its limit", () => {
    const loop = list(a, b, c);
    loop.u64(c, b);
    expect(listEntries(new KernelMemory(loop, imageMap), HEAD, 9)).toEqual({ entries: [a, b, c], whole: false });
    const garbage = list(a, b, c);
    garbage.u64(b, 0xdead_0000_0000_0100n);
    expect(listEntries(new KernelMemory(garbage, imageMap), HEAD, 9)).toEqual({
      entries: [a, b, 0xdead_0000_0000_0100n],
      whole: false,
    });
    const absent = list(a, b, c);
    absent.drop(b);
    expect(listEntries(new KernelMemory(absent, imageMap), HEAD, 9)).toEqual({ entries: [a, b], whole: false });
    expect(listEntries(new KernelMemory(list(a, b, c), imageMap), HEAD, 2)).toEqual({ entries: [a, b], whole: false });
  });
});

describe("kernel memory", () => {
  it("reads across pages, and nothing of what lacks a byte", () => {
    const memory = new BuiltMemory(4);
    memory.put(IMAGE + 0x0ffdn, Buffer.from("across\0"));
    memory.put(IMAGE + 0x2ff0n, Buffer.from("no end of this t"));
    memory.drop(IMAGE + 0x3000n);
    const kernel = new KernelMemory(memory, imageMap);
    expect(kernel.text(IMAGE + 0x0ffdn, 64)).toBe("across");
    expect(kernel.text(IMAGE + 0x0ffdn, 4)).toBe("acro");
    expect(kernel.text(IMAGE + 0x2ff0n, 64)).toBeNull();
    expect(kernel.u64(IMAGE + 0x2ffcn)).toBeNull();
    expect(kernel.readUpTo(IMAGE + 0x2ffen, 100).length).toBe(2);
    for (const nowhere of [0n, IMAGE - 1n, IMAGE + 0x10_0000n, 0xffff_ffff_ffff_ffffn, -8n, 1n << 70n])
      expect(kernel.u32(nowhere)).toBeNull();
  });
});

// Masks and letters as Documentation/admin-guide/tainted-kernels.rst and fs/proc/array.c pair them.
describe("letters for masks", () => {
  it.each([
    [0n, ""],
    [1n, "P"],
    [0x80n, "D"],
    [0x200n, "W"],
    [0x3080n, "DOE"],
    [1n << 17n, "T"],
  ])("taint %i", (mask, letters) => expect(taintLetters(mask).join("")).toBe(letters));

  it.each([
    [0, 0, "R"],
    [1, 0, "S"],
    [2, 0, "D"],
    [4, 0, "T"],
    [8, 0, "t"],
    [0x402, 0, "I"],
    [0x2402, 0, "I"],
    [0x80, 0x20, "Z"],
    [0x80, 0x10, "X"],
    [0x40, 0, "P"],
    [0x8000, 0, "D"],
  ])("task state %i, exit state %i", (state, exitState, letter) => expect(stateLetter(state, exitState)).toBe(letter));
});
