import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { findEpilog } from "../../../src/analysis/nt/epilog.ts";
import { Image } from "../../../src/analysis/nt/image.ts";
import { KernelMemory } from "../../../src/analysis/nt/kernel-memory.ts";
import { type FrameRegisters, functionStart, leaveBy, unwind } from "../../../src/analysis/nt/unwind.ts";
import { DIRECTORY, runtimeFunction, UNWIND_REGISTERS } from "../../../src/binary/index.ts";
import { FunctionModel, type FunctionShape, type Machine } from "./function-model.ts";
import { CODE, type SmallFunction, smallImage } from "./small-image.ts";

const BASE = 0xffff_f800_1000_0000n;
const STACK = 0xffff_8000_0020_0000n;
const CALLER = 0xffff_f800_2000_1234n;
const RSP = UNWIND_REGISTERS.indexOf("rsp");
const number = (name: (typeof UNWIND_REGISTERS)[number]) => UNWIND_REGISTERS.indexOf(name);

const memoryOf = (stack: ReadonlyMap<bigint, bigint>) =>
  new KernelMemory((address, length) => {
    const bytes = Buffer.alloc(length);
    for (let i = 0; i < length; i += 8) {
      const word = stack.get(address + BigInt(i));
      if (word === undefined) return null;
      bytes.writeBigUInt64LE(word, i);
    }
    return bytes;
  });

const stackOf = (words: Record<string, bigint>) =>
  memoryOf(new Map(Object.entries(words).map(([offset, word]) => [STACK + BigInt(offset), word])));

const at = (
  rva: number,
  registers: Partial<Record<(typeof UNWIND_REGISTERS)[number], bigint>> = {},
): FrameRegisters => ({
  rip: BASE + BigInt(rva),
  general: UNWIND_REGISTERS.map((name) => (name === "rsp" ? (registers.rsp ?? STACK) : (registers[name] ?? 0n))),
  interrupted: false,
});

const image = (...functions: SmallFunction[]) => smallImage(functions).image;
const nops = (count: number) => Array<number>(count).fill(0x90);

describe("unwind codes one by one (Microsoft, x64 exception handling)", () => {
  const body = (unwindCodes: number[], more: Partial<SmallFunction> = {}): SmallFunction => ({
    ...{ begin: CODE, code: nops(64), prologBytes: 16, unwindCodes, ...more },
  });
  const inBody = CODE + 32;

  it("UWOP_PUSH_NONVOL restores the register and takes 8 bytes", () => {
    const found = unwind(at(inBody), image(body([1, 0x50])), BASE, stackOf({ 0: 0xb0bn, 8: CALLER }));
    expect(found?.rip).toBe(CALLER);
    expect(found?.general[number("rbp")]).toBe(0xb0bn);
    expect(found?.general[RSP]).toBe(STACK + 16n);
  });

  it.each([
    ["UWOP_ALLOC_SMALL, 8 to 128 bytes", [4, 0xf2], 128],
    ["UWOP_ALLOC_LARGE with a scaled slot", [7, 0x01, 0x00, 0x10], 0x1000 * 8],
    ["UWOP_ALLOC_LARGE with two unscaled slots", [7, 0x11, 0x08, 0x00, 0x10, 0x00], 0x10_0008],
  ])("%s", (_, codes, bytes) => {
    const found = unwind(at(inBody), image(body(codes)), BASE, stackOf({ [bytes]: CALLER }));
    expect(found?.general[RSP]).toBe(STACK + BigInt(bytes) + 8n);
  });

  it("UWOP_SET_FPREG: the stack pointer comes from the frame register, whatever the body did to it", () => {
    const codes = [12, 0x03, 4, 0x32]; // lea rbp, 0x20[rsp]; sub rsp, 0x20
    const framed = image(body(codes, { frameRegisterAndOffset: number("rbp") | 0x20 }));
    const found = unwind(
      at(inBody, { rsp: STACK - 0x500n, rbp: STACK + 0x20n }),
      framed,
      BASE,
      stackOf({ 32: CALLER }),
    );
    expect(found?.rip).toBe(CALLER);
    expect(found?.general[RSP]).toBe(STACK + 40n);
  });

  it("UWOP_SAVE_NONVOL and _FAR read the register from its slot; UWOP_SAVE_XMM128 and _FAR take their slots", () => {
    const codes = [16, 0x34, 2, 0, 16, 0x75, 0x18, 0, 0, 0, 16, 0x68, 1, 0, 16, 0x79, 0x20, 0, 0, 0, 4, 0x62];
    const words = { 16: 0x333n, 24: 0x777n, 56: CALLER };
    const found = unwind(at(inBody), image(body(codes)), BASE, stackOf(words));
    expect(found?.general[number("rbx")]).toBe(0x333n);
    expect(found?.general[number("rdi")]).toBe(0x777n);
    expect(found?.rip).toBe(CALLER);
  });

  it.each([
    ["without", 0x0a, 0],
    ["with", 0x1a, 8],
  ])("UWOP_PUSH_MACHFRAME %s an error code: both rip and rsp are those of the interrupted code", (_, code, skip) => {
    const words = {
      [skip]: CALLER,
      [skip + 8]: 0x10n,
      [skip + 16]: 0x246n,
      [skip + 24]: 0xffff_9000_0000_0018n,
      [skip + 32]: 0x18n,
    };
    const found = unwind(at(inBody), image(body([0, code])), BASE, stackOf(words));
    expect(found).toMatchObject({ rip: CALLER, interrupted: true });
    expect(found?.general[RSP]).toBe(0xffff_9000_0000_0018n);
  });

  it("a chained function undoes its own codes, then all of its parent's", () => {
    const parent = body([4, 0x32]); // sub rsp, 0x20
    const child: SmallFunction = {
      ...{ begin: CODE + 0x100, code: nops(32), prologBytes: 0, unwindCodes: [0, 0x34, 1, 0], flags: 4, parent: 0 },
    };
    const both = image(parent, child);
    const found = unwind(at(CODE + 0x110), both, BASE, stackOf({ 8: 0x333n, 32: CALLER }));
    expect(found?.general[number("rbx")]).toBe(0x333n);
    expect(found?.rip).toBe(CALLER);
    expect(functionStart(both, CODE + 0x110), "it is part of its parent").toBe(CODE);
  });

  it("an entry that shares another's unwind information is unwound by that", () => {
    const { bytes } = smallImage([body([4, 0x32]), { ...body([]), begin: CODE + 0x100 }]);
    const shared = Image.open((rva, length) => bytes.slice(rva, rva + length))!;
    const table = shared.directory(DIRECTORY.exception)!.rva;
    runtimeFunction.write(bytes, table + runtimeFunction.size, { unwindInfo: table | 1 });
    expect(unwind(at(CODE + 0x120), shared, BASE, stackOf({ 32: CALLER }))?.rip).toBe(CALLER);
  });

  it("a chain that closes on itself ends", () => {
    const loop: SmallFunction = { ...body([4, 0x32]), flags: 4, parent: 0 };
    expect(unwind(at(inBody), image(loop), BASE, stackOf({ 32: CALLER }))).toBeNull();
    expect(functionStart(image(loop), inBody)).toBeNull();
  });

  it("a leaf function has no entry: its return address is on top", () => {
    const found = unwind(at(CODE + 0x800), image(body([])), BASE, stackOf({ 0: CALLER }));
    expect(found?.rip).toBe(CALLER);
  });

  it("an unknown operation, a missing stack or a lost frame register give no frame", () => {
    expect(unwind(at(inBody), image(body([4, 0x0f])), BASE, stackOf({ 0: CALLER }))).toBeNull();
    expect(unwind(at(inBody), image(body([4, 0x32])), BASE, stackOf({}))).toBeNull();
    const framed = image(body([12, 0x03], { frameRegisterAndOffset: number("rbp") }));
    const lost = at(inBody);
    const general = lost.general.map((value, i) => (i === number("rbp") ? null : value));
    expect(unwind({ ...lost, general }, framed, BASE, stackOf({ 0: CALLER }))).toBeNull();
  });

  it("in an epilog that ends with a jump out of the function, what is left of it is run", () => {
    const code = [...nops(40), 0x48, 0x83, 0xc4, 0x20, 0x5f, 0xe9, 0x00, 0x10, 0x00, 0x00];
    const jumping = image({ begin: CODE, code, prologBytes: 5, unwindCodes: [5, 0x32, 1, 0x70] });
    const words = { 0: 0x777n, 8: CALLER, 32: 0xdeadn, 40: 0xdeadn };
    const found = unwind(at(CODE + 44), jumping, BASE, stackOf(words));
    expect(found?.general[number("rdi")]).toBe(0x777n);
    expect(found?.rip).toBe(CALLER);
  });

  it("a jump to another part of the same function is no epilog", () => {
    const code = [0xe9, 0x1b, 0, 0, 0, ...nops(59)];
    const found = unwind(at(CODE), image(body([0, 0x32], { code, prologBytes: 0 })), BASE, stackOf({ 32: CALLER }));
    expect(found?.rip).toBe(CALLER);
  });
});

describe("at every instruction of a function, unwinding gives the caller's registers", () => {
  const nonvolatile = (["rbx", "rbp", "rsi", "rdi", "r12", "r13", "r14", "r15"] as const).map(number);
  const shapes: fc.Arbitrary<FunctionShape> = fc
    .record({
      order: fc.shuffledSubarray(nonvolatile, { minLength: 8 }),
      pushes: fc.nat(3),
      homeSaves: fc.nat(2),
      saves: fc.nat(2),
      allocation: fc
        .oneof(fc.integer({ min: 4, max: 20 }), fc.constantFrom(0x7fff, 0x1_0001))
        .map((units) => units * 8),
      frame: fc.option(fc.nat(2)),
      dynamic: fc.nat(4).map((units) => units * 16),
    })
    .map(({ order, pushes, homeSaves, saves, allocation, frame, dynamic }) => {
      const pushed = order.slice(0, pushes + 1);
      return {
        pushes: pushed,
        homeSaves: order.slice(4, 4 + homeSaves),
        saves: order.slice(6, 6 + saves),
        allocation,
        frame: frame === null ? null : { register: pushed[0]!, offset: frame },
        dynamic,
      };
    });

  const frameBytes = (shape: FunctionShape) => BigInt(shape.pushes.length * 8 + shape.allocation);

  it("random prologs, frame registers, home saves and epilogs, run by a slow twin", () => {
    fc.assert(
      fc.property(shapes, (shape) => {
        const caller: Machine = {
          registers: UNWIND_REGISTERS.map((_, i) => (i === RSP ? STACK : 0xca11_0000n + BigInt(i))),
          stack: new Map([[STACK, CALLER]]),
        };
        const model = new FunctionModel(shape, caller);
        const frameRegisterAndOffset = shape.frame ? shape.frame.register | (shape.frame.offset << 4) : 0;
        const { code, prologBytes, unwindCodes } = model;
        const tested = image({ begin: CODE, code, prologBytes, unwindCodes, frameRegisterAndOffset });
        for (const { offset, machine } of model.steps) {
          const here = { rip: BASE + BigInt(CODE + offset), general: machine.registers, interrupted: false };
          const found = unwind(here, tested, BASE, memoryOf(machine.stack));
          const expected = caller.registers.map((value, i) => (i === RSP ? STACK + 8n : value));
          expect([found?.rip, ...(found?.general ?? [])], `offset ${offset}`).toEqual([CALLER, ...expected]);
        }
      }),
      { numRuns: 300, seed: 1 },
    );
  });

  it("without its table, the exit code read forward from anywhere in the body leads to the same caller", () => {
    fc.assert(
      fc.property(shapes, (shape) => {
        const caller: Machine = {
          registers: UNWIND_REGISTERS.map((_, i) => (i === RSP ? STACK : 0xca11_0000n + BigInt(i))),
          stack: new Map([[STACK, CALLER]]),
        };
        const model = new FunctionModel(shape, caller);
        for (const { offset, machine } of model.steps.filter((step) => step.offset >= model.prologBytes)) {
          if (machine.registers[RSP]! > STACK - frameBytes(shape)) break; // the epilog has begun
          const epilog = findEpilog(Uint8Array.from(model.code.slice(offset)));
          const found = epilog && leaveBy(epilog, machine.registers, memoryOf(machine.stack));
          expect([found?.rip, found?.general[RSP]], `offset ${offset}`).toEqual([CALLER, STACK + 8n]);
        }
      }),
      { numRuns: 300, seed: 2 },
    );
  });
});
