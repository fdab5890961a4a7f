import { describe, expect, it } from "vitest";
import { frameOf } from "../../../src/analysis/nt/contexts.ts";
import { ImageFiles } from "../../../src/analysis/nt/image-files.ts";
import { openKernel } from "../../../src/analysis/nt/kernel.ts";
import { KernelMemory } from "../../../src/analysis/nt/kernel-memory.ts";
import { loadedModules, Modules } from "../../../src/analysis/nt/modules.ts";
import { processors, threadStack } from "../../../src/analysis/nt/processors.ts";
import { walkStack } from "../../../src/analysis/nt/stack.ts";
import { hex, UNWIND_REGISTERS } from "../../../src/binary/index.ts";
import { openDump } from "../../../src/dumpfile/index.ts";
import { sharedData, withPeers } from "../../peers.ts";
import { expectedFrames } from "./expected.ts";
import { CODE, IMAGE_SIZE, smallImage } from "./small-image.ts";

const TABLED = 0xffff_f800_0010_0000n;
const BARE = 0xffff_f800_0040_0000n;
const STACK = 0xffff_9000_0001_0000n;
const OTHER_STACK = 0xffff_8000_0000_8000n;

/** Pieces of memory as a small dump has them: what lies outside of them cannot be read. */
class Pieces {
  readonly #pieces: { at: bigint; bytes: Uint8Array }[] = [];

  put(at: bigint, bytes: Uint8Array | readonly number[]): this {
    this.#pieces.unshift({ at, bytes: Uint8Array.from(bytes) });
    return this;
  }

  words(at: bigint, ...words: readonly bigint[]): this {
    const bytes = Buffer.alloc(words.length * 8);
    words.forEach((word, i) => {
      bytes.writeBigUInt64LE(word, i * 8);
    });
    return this.put(at, bytes);
  }

  get memory(): KernelMemory {
    return new KernelMemory((address, length) => {
      const piece = this.#pieces.find(
        ({ at, bytes }) => address >= at && address + BigInt(length) <= at + BigInt(bytes.length),
      );
      return piece ? piece.bytes.slice(Number(address - piece.at), Number(address - piece.at) + length) : null;
    });
  }
}

const modulesOf = (memory: KernelMemory) =>
  new Modules(
    [
      { name: "tabled.sys", path: null, base: TABLED, size: IMAGE_SIZE, checkSum: 0, timeDateStamp: 0 },
      { name: "bare.sys", path: null, base: BARE, size: IMAGE_SIZE, checkSum: 0, timeDateStamp: 0 },
    ],
    memory,
    null,
  );

const at = (rip: bigint, rsp = STACK) => ({
  rip,
  general: UNWIND_REGISTERS.map((name) => (name === "rsp" ? rsp : 0n)),
  interrupted: false,
});

function walk(pieces: Pieces, start: ReturnType<typeof at>) {
  const { memory } = pieces;
  const modules = modulesOf(memory);
  return walkStack(start, modules, memory, null).map(({ address, via }) => `${modules.text(address)} ${via}`);
}

describe("where tables are missing", () => {
  const exit = [0x90, 0x48, 0x83, 0xc4, 0x28, 0xc3]; // add rsp, 0x28; ret
  const open = Array<number>(64).fill(0x90); // no exit within reach

  it("the exit code behind each return address leads on, frame by frame", () => {
    const pieces = new Pieces()
      .put(BARE + 0x2005n, exit)
      .put(BARE + 0x3005n, exit)
      .put(BARE + 0x4005n, open);
    pieces.words(STACK, 0n, 0n, 0n, 0n, 0n, BARE + 0x3005n, 0n, 0n, 0n, 0n, 0n, BARE + 0x4005n, 0n);
    expect(walk(pieces, at(BARE + 0x2005n))).toEqual([
      "bare.sys+0x2005 context",
      "bare.sys+0x3005 epilog",
      "bare.sys+0x4005 epilog",
    ]);
  });

  it("a jump through a null pointer leaves its return address on top", () => {
    const pieces = new Pieces().put(BARE + 0x2005n, open).words(STACK + 8n, BARE + 0x2005n);
    expect(walk(pieces, at(0n, STACK + 8n))).toEqual(["0x0 context", "bare.sys+0x2005 scan"]);
  });

  it("a scan passes over words off the calling convention's place, starts of functions, and words left over", () => {
    const prolog = [0x48, 0x83, 0xec, 0x28];
    const pieces = new Pieces()
      .put(BARE + 0x2005n, open)
      .put(BARE + 0x3010n, prolog)
      .put(BARE + 0x4005n, exit);
    pieces.put(BARE + 0x5005n, open);
    const words = Array<bigint>(32).fill(0n);
    words[6] = BARE + 0x5005n; // at a multiple of 16
    words[7] = BARE + 0x3010n; // a function's start
    words[9] = BARE + 0x4005n; // its exit would return to the zero in words[15]
    words[17] = BARE + 0x5005n;
    expect(walk(pieces.words(STACK, ...words), at(BARE + 0x2005n)).slice(0, 2)).toEqual([
      "bare.sys+0x2005 context",
      "bare.sys+0x5005 scan",
    ]);
  });

  it("a word behind a call beats a mere pointer that leaves no room for a frame", () => {
    const call = [0xe8, 0, 0, 0, 0];
    const pieces = new Pieces()
      .put(BARE + 0x2005n, open)
      .put(BARE + 0x3005n, open)
      .put(BARE + 0x4000n, [...call, ...open]);
    pieces.words(STACK, 0n, BARE + 0x3005n, 0n, BARE + 0x4005n, 0n, 0n);
    expect(walk(pieces, at(BARE + 0x2005n)).slice(0, 2)).toEqual([
      "bare.sys+0x2005 context",
      "bare.sys+0x4005 scan after call",
    ]);
  });
});

describe("with tables", () => {
  const code = Array<number>(64).fill(0x90);
  const { bytes } = smallImage([
    { begin: CODE, code, prologBytes: 4, unwindCodes: [4, 0x32] }, // sub rsp, 0x20
    { begin: CODE + 0x100, code, prologBytes: 0, unwindCodes: [0, 0x0a] }, // interrupted
  ]);

  it("an interrupt that switched stacks is followed to the other one, though it lies lower", () => {
    const pieces = new Pieces().put(TABLED, bytes);
    pieces.words(STACK, TABLED + BigInt(CODE) + 8n, 0x10n, 0x246n, OTHER_STACK, 0x18n);
    pieces.words(OTHER_STACK, 0n, 0n, 0n, 0n, TABLED + BigInt(CODE) + 16n, 0n, 0n, 0n, 0n, 0n);
    expect(walk(pieces, at(TABLED + BigInt(CODE) + 0x110n))).toEqual([
      "tabled.sys+0x1110 context",
      "tabled.sys+0x1008 unwind",
      "tabled.sys+0x1010 unwind",
    ]);
  });

  it("a system call's frame into user space ends the stack", () => {
    const pieces = new Pieces().put(TABLED, bytes);
    pieces.words(STACK, 0x7ff6_0000_1000n, 0x33n, 0x246n, 0x0012_f000n, 0x2bn, TABLED + BigInt(CODE), 0n, 0n);
    expect(walk(pieces, at(TABLED + BigInt(CODE) + 0x110n))).toEqual(["tabled.sys+0x1110 context"]);
  });

  it("a frame that points back to itself ends", () => {
    const pieces = new Pieces().put(TABLED, bytes);
    pieces.words(STACK, TABLED + BigInt(CODE) + 0x110n, 0x10n, 0x246n, STACK, 0x18n);
    expect(walk(pieces, at(TABLED + BigInt(CODE) + 0x110n)).length).toBeLessThan(200);
  });
});

const real = withPeers({ data: "windows/rizin" }, { data: "windows/expected" }, { data: "windows/symbols" });

real.describe("from the bug check's own context of a real dump, over the exception dispatcher's large frames", () => {
  real.it.each([
    ["without images", null, 35, 22],
    ["with images", sharedData("windows/symbols"), 34, 18],
  ])("%s", async (_, images, found, wrong) => {
    const dump = await openDump(sharedData("windows/rizin/triage_x64.dmp"));
    const kernel = openKernel(dump)!;
    const modules = new Modules(
      loadedModules(kernel),
      kernel.memory,
      images === null ? null : new ImageFiles([images]),
    );
    const [processor] = processors(kernel);
    const bounds = threadStack(kernel, processor!.thread);
    const frames = walkStack(frameOf(processor!.registers!)!, modules, kernel.memory, bounds);
    dump.close();
    const expected = new Set(
      expectedFrames("triage_x64").map(({ address, stackPointer }) => `${address} ${stackPointer}`),
    );
    const hits = frames.filter((frame) => expected.has(`${hex(frame.address)} ${hex(frame.stackPointer)}`)).length;
    expect(hits, "frames that rizin has as well").toBeGreaterThanOrEqual(found);
    expect(frames.length - hits, "frames that are none").toBeLessThanOrEqual(wrong);
  });
});
