import { UNWIND_OPERATION, UNWIND_REGISTERS } from "../../../src/binary/index.ts";

/** A function as a compiler might lay it out; what it does to the stack is run step by step, as the processor would. */
export interface FunctionShape {
  /** Nonvolatile registers stored to the caller's home space before anything else. */
  readonly homeSaves: readonly number[];
  readonly pushes: readonly number[];
  /** Bytes taken by `sub rsp`, a multiple of 8. */
  readonly allocation: number;
  /** Nonvolatile registers stored inside the allocation. */
  readonly saves: readonly number[];
  readonly frame: { readonly register: number; readonly offset: number } | null;
  /** Bytes the body takes off the stack besides; only with a frame register. */
  readonly dynamic: number;
}

export interface Machine {
  readonly registers: bigint[];
  readonly stack: Map<bigint, bigint>;
}

/** Where execution stands, before an instruction, and the machine's state there. */
export interface Step {
  readonly offset: number;
  readonly machine: Machine;
}

const RSP = UNWIND_REGISTERS.indexOf("rsp");
const clone = ({ registers, stack }: Machine): Machine => ({ registers: [...registers], stack: new Map(stack) });

/** Assembles the function, its unwind codes in the documented order, and runs it from `entry` on. */
export class FunctionModel {
  readonly code: number[] = [];
  readonly steps: Step[] = [];
  prologBytes = 0;
  readonly unwindCodes: number[] = [];
  readonly #machine: Machine;
  readonly #operations: { end: number; bytes: (end: number) => number[] }[] = [];

  constructor(shape: FunctionShape, entry: Machine) {
    this.#machine = clone(entry);
    this.#prolog(shape);
    this.#body(shape);
    this.#epilog(shape);
  }

  #instruction(bytes: readonly number[], run: (machine: Machine) => void): void {
    this.steps.push({ offset: this.code.length, machine: clone(this.#machine) });
    this.code.push(...bytes);
    run(this.#machine);
  }

  #prolog(shape: FunctionShape): void {
    const total = shape.pushes.length * 8 + shape.allocation;
    shape.homeSaves.forEach((register, i) => {
      this.#store(register, 8 * (i + 1));
    });
    for (const register of shape.pushes) {
      this.#instruction([...(register & 8 ? [0x41] : []), 0x50 | (register & 7)], (machine) => {
        machine.registers[RSP]! -= 8n;
        machine.stack.set(machine.registers[RSP]!, machine.registers[register]!);
      });
      this.#operation((end) => [end, UNWIND_OPERATION.pushNonvolatile | (register << 4)]);
    }
    if (shape.allocation > 0) this.#allocate(shape.allocation);
    shape.saves.forEach((register, i) => {
      this.#store(register, 8 * i);
      this.#operation((end) => [end, UNWIND_OPERATION.saveNonvolatile | (register << 4), i & 0xff, i >> 8]);
    });
    if (shape.frame) {
      const { register, offset } = shape.frame;
      this.#instruction([0x48 | (register & 8 ? 4 : 0), 0x8d, 0x84 | ((register & 7) << 3), 0x24, ...word(offset * 16)], (machine) => {
        machine.registers[register] = machine.registers[RSP]! + BigInt(offset * 16);
      }); // biome-ignore format: one instruction
      this.#operation((end) => [end, UNWIND_OPERATION.setFrameRegister]);
    }
    // Compilers date stores to the home space at the prolog's end: until then the register itself still holds its value.
    this.prologBytes = this.code.length;
    shape.homeSaves.forEach((register, i) => {
      const slot = (total + 8 * (i + 1)) / 8;
      const far = slot > 0xffff || i % 2 === 1;
      const bytes = far ? word(slot * 8) : [slot & 0xff, slot >> 8];
      const operation = far ? UNWIND_OPERATION.saveNonvolatileFar : UNWIND_OPERATION.saveNonvolatile;
      this.#operations.push({ end: this.prologBytes, bytes: (end) => [end, operation | (register << 4), ...bytes] });
    });
    for (const { end, bytes } of this.#operations.toReversed()) this.unwindCodes.push(...bytes(end));
  }

  #operation(bytes: (end: number) => number[]): void {
    this.#operations.push({ end: this.code.length, bytes });
  }

  #store(register: number, displacement: number): void {
    this.#instruction([0x48 | (register & 8 ? 4 : 0), 0x89, 0x84 | ((register & 7) << 3), 0x24, ...word(displacement)], (machine) => {
      machine.stack.set(machine.registers[RSP]! + BigInt(displacement), machine.registers[register]!);
    }); // biome-ignore format: one instruction
  }

  #allocate(bytes: number): void {
    this.#instruction([0x48, 0x81, 0xec, ...word(bytes)], (machine) => {
      machine.registers[RSP]! -= BigInt(bytes);
    });
    this.#operation((end) => {
      if (bytes <= 128) return [end, UNWIND_OPERATION.allocateSmall | ((bytes / 8 - 1) << 4)];
      if (bytes < 0x8_0000) return [end, UNWIND_OPERATION.allocateLarge, (bytes / 8) & 0xff, (bytes / 8) >> 8];
      return [end, UNWIND_OPERATION.allocateLarge | 0x10, ...word(bytes)];
    });
  }

  /** Overwrites every register that the function has saved, so that only the stack still knows the caller's values. */
  #body(shape: FunctionShape): void {
    const saved = new Set([...shape.homeSaves, ...shape.pushes, ...shape.saves]);
    if (shape.frame) saved.delete(shape.frame.register);
    for (const register of saved)
      this.#instruction(
        [0x48 | (register & 8 ? 5 : 0), 0x31, 0xc0 | ((register & 7) << 3) | (register & 7)],
        (machine) => {
          machine.registers[register] = 0n;
        },
      );
    if (shape.frame && shape.dynamic > 0)
      this.#instruction([0x48, 0x29, 0xc4], (machine) => {
        machine.registers[RSP]! -= BigInt(shape.dynamic); // sub rsp, rax
      });
  }

  #epilog(shape: FunctionShape): void {
    const base = shape.frame;
    const stored = [...shape.saves.map((register, i) => ({ register, at: 8 * i })), ...this.#homeSlots(shape)];
    for (const { register, at } of stored)
      if (register !== base?.register) this.#load(register, at, base?.register ?? RSP, (base?.offset ?? 0) * 16);
    if (base)
      this.#instruction([0x48 | (base.register & 8 ? 1 : 0), 0x8d, 0xa0 | (base.register & 7), ...scale(base.register), ...word(shape.allocation - base.offset * 16)], (machine) => {
        machine.registers[RSP] = machine.registers[base.register]! + BigInt(shape.allocation - base.offset * 16);
      }); // biome-ignore format: one instruction
    else if (shape.allocation > 0)
      this.#instruction([0x48, 0x81, 0xc4, ...word(shape.allocation)], (machine) => {
        machine.registers[RSP]! += BigInt(shape.allocation);
      });
    for (const register of shape.pushes.toReversed())
      this.#instruction([...(register & 8 ? [0x41] : []), 0x58 | (register & 7)], (machine) => {
        machine.registers[register] = machine.stack.get(machine.registers[RSP]!)!;
        machine.registers[RSP]! += 8n;
      });
    this.#instruction([0xc3], () => {});
  }

  #homeSlots(shape: FunctionShape) {
    const total = shape.pushes.length * 8 + shape.allocation;
    return shape.homeSaves.map((register, i) => ({ register, at: total + 8 * (i + 1) }));
  }

  #load(register: number, at: number, from: number, frameOffset: number): void {
    const rex = 0x48 | (register & 8 ? 4 : 0) | (from & 8 ? 1 : 0);
    const operand = 0x80 | ((register & 7) << 3) | (from & 7);
    this.#instruction([rex, 0x8b, operand, ...scale(from), ...word(at - frameOffset)], (machine) => {
      machine.registers[register] = machine.stack.get(machine.registers[from]! + BigInt(at - frameOffset))!;
    });
  }
}

export const word = (value: number): number[] => [
  value & 0xff,
  (value >> 8) & 0xff,
  (value >> 16) & 0xff,
  (value >> 24) & 0xff,
];

/** The byte that rsp and r12 need as a base. */
const scale = (register: number): number[] => ((register & 7) === RSP ? [0x24] : []);
