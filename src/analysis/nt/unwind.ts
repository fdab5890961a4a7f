import {
  machineFrame,
  runtimeFunction,
  UNWIND_FLAG,
  UNWIND_OPERATION,
  UNWIND_REGISTERS,
  unwindCode,
  unwindInfo,
} from "../../binary/index.ts";
import { type Epilog, readEpilog } from "./epilog.ts";
import { type Image, type RuntimeFunction, readAt } from "./image.ts";
import type { KernelMemory } from "./kernel-memory.ts";

/** The registers a frame is known by. A general register whose value was lost on the way is null. */
export interface FrameRegisters {
  readonly rip: bigint;
  /** In the order of UNWIND_REGISTERS; the stack pointer is never null. */
  readonly general: readonly (bigint | null)[];
  /** True when an interrupt or exception lies between this frame and the one it was unwound from. */
  readonly interrupted: boolean;
}

export const RSP = UNWIND_REGISTERS.indexOf("rsp");

export const stackPointer = (frame: FrameRegisters): bigint => frame.general[RSP]!;

// A chain of unwind information is one or two links long; a damaged one may be a circle.
const LONGEST_CHAIN = 32;
const LONGEST_EPILOG = 64; // bytes
const NO_CODES = new Uint8Array(0);

interface Unwound {
  rip: bigint | null;
  readonly general: (bigint | null)[];
  interrupted: boolean;
}

/**
 * The caller's registers, worked out from the image's function table.
 * Source: Microsoft, "x64 exception handling", section "Unwind procedure".
 * Null when tables or stack are missing or make no sense: the caller of this must find another way.
 */
export function unwind(frame: FrameRegisters, image: Image, base: bigint, memory: KernelMemory): FrameRegisters | null {
  const rva = Number(frame.rip - base);
  const entry = image.runtimeFunction(rva);
  if (!entry) return null;
  // A leaf function changes neither the stack pointer nor saved registers: its return address is on top.
  if (entry === "leaf") return returnFrom(memory, { rip: null, general: [...frame.general], interrupted: false });
  const code = image.read(rva, Math.min(LONGEST_EPILOG, Math.max(0, entry.endAddress - rva)));
  const epilog = code && readEpilog(code, frameRegisterOf(image, entry), (to) => leavesFunction(image, rva, rva + to));
  if (epilog) return leaveBy(epilog, frame.general, memory);
  const state: Unwound = { rip: null, general: [...frame.general], interrupted: false };
  let current: RuntimeFunction = entry;
  // Shared unwind information may belong to a function that lies elsewhere: then its prolog has run long ago.
  let position = rva < entry.beginAddress ? Number.POSITIVE_INFINITY : rva - entry.beginAddress;
  for (let links = 0; links < LONGEST_CHAIN; links++) {
    const next = undoProlog(state, image, current, position, memory);
    if (next === null) return null;
    if (next === "done") return state.rip === null ? returnFrom(memory, state) : settled(state);
    current = next;
    position = Number.POSITIVE_INFINITY; // the whole prolog of a chained parent has run
  }
  return null;
}

/** The rva of the first byte of the function that holds `rva`, through its chain; null where that is not known. */
export function functionStart(image: Image, rva: number): number | null {
  const found = image.runtimeFunction(rva);
  let entry = found === "leaf" ? null : found;
  for (let links = 0; entry && links < LONGEST_CHAIN; links++) {
    const parent = chainedParent(image, entry);
    if (parent === null) return entry.beginAddress;
    entry = parent === "broken" ? null : parent;
  }
  return null;
}

/** A jump to another part of the same function is no way out; one to its first byte is a tail call of itself. */
function leavesFunction(image: Image, from: number, to: number): boolean {
  const start = functionStart(image, from);
  return to === start || functionStart(image, to) !== start;
}

function chainedParent(image: Image, entry: RuntimeFunction): RuntimeFunction | "broken" | null {
  const info = readAt(image.read, unwindInfo, entry.unwindInfo);
  if (!info) return "broken";
  if (!((info.versionAndFlags >> 3) & UNWIND_FLAG.chained)) return null;
  return readAt(image.read, runtimeFunction, behindCodes(entry.unwindInfo, info.countOfCodes)) ?? "broken";
}

const behindCodes = (info: number, count: number) => info + unwindInfo.size + ((count + 1) & ~1) * unwindCode.size;

function frameRegisterOf(image: Image, entry: RuntimeFunction): number | null {
  const info = readAt(image.read, unwindInfo, entry.unwindInfo);
  const register = info ? info.frameRegisterAndOffset & 0xf : 0;
  return register === 0 ? null : register;
}

/** Undoes one UNWIND_INFO's codes in `state`; hands out the chained parent, `done`, or null where something is missing. */
function undoProlog(
  state: Unwound,
  image: Image,
  entry: RuntimeFunction,
  position: number,
  memory: KernelMemory,
): RuntimeFunction | "done" | null {
  const info = readAt(image.read, unwindInfo, entry.unwindInfo);
  if (!info) return null;
  const codes =
    info.countOfCodes === 0
      ? NO_CODES
      : image.read(entry.unwindInfo + unwindInfo.size, info.countOfCodes * unwindCode.size);
  if (!codes) return null;
  const register = info.frameRegisterAndOffset & 0xf;
  const frameOffset = BigInt(info.frameRegisterAndOffset >> 4) * 16n;
  const ran = position >= info.sizeOfProlog ? Number.POSITIVE_INFINITY : position;
  const framed = register !== 0 && (ran === Number.POSITIVE_INFINITY || frameRegisterIsSet(codes, ran));
  let frameBase = state.general[RSP]!;
  if (framed) {
    const held = state.general[register];
    if (held === null || held === undefined) return null;
    frameBase = held - frameOffset;
  }
  const slot = (index: number) => (codes[2 * index] ?? 0) + (codes[2 * index + 1] ?? 0) * 0x100;
  for (let i = 0; i < info.countOfCodes; ) {
    const operation = codes[2 * i + 1]! & 0xf;
    const operand = codes[2 * i + 1]! >> 4;
    const near = slot(i + 1);
    const far = near + slot(i + 2) * 0x1_0000;
    const applies = codes[2 * i]! <= ran;
    const taken = slotsOf(operation, operand);
    if (taken === null) return null;
    i += taken;
    if (!applies) continue;
    switch (operation) {
      case UNWIND_OPERATION.pushNonvolatile:
        if (!pop(state, operand, memory)) return null;
        break;
      case UNWIND_OPERATION.allocateLarge:
        state.general[RSP]! += BigInt(operand === 0 ? near * 8 : far);
        break;
      case UNWIND_OPERATION.allocateSmall:
        state.general[RSP]! += BigInt(operand * 8 + 8);
        break;
      case UNWIND_OPERATION.setFrameRegister:
        state.general[RSP] = frameBase;
        break;
      case UNWIND_OPERATION.saveNonvolatile:
        state.general[operand] = memory.u64(frameBase + BigInt(near * 8));
        break;
      case UNWIND_OPERATION.saveNonvolatileFar:
        state.general[operand] = memory.u64(frameBase + BigInt(far));
        break;
      case UNWIND_OPERATION.pushMachineFrame:
        return undoMachineFrame(state, operand, memory) ? "done" : null;
    }
  }
  if (!((info.versionAndFlags >> 3) & UNWIND_FLAG.chained)) return "done";
  return readAt(image.read, runtimeFunction, behindCodes(entry.unwindInfo, info.countOfCodes));
}

/** Two-byte slots an operation takes, itself included; null for one that no version has. */
function slotsOf(operation: number, operand: number): number | null {
  switch (operation) {
    case UNWIND_OPERATION.pushNonvolatile:
    case UNWIND_OPERATION.allocateSmall:
    case UNWIND_OPERATION.setFrameRegister:
    case UNWIND_OPERATION.pushMachineFrame:
      return 1;
    case UNWIND_OPERATION.allocateLarge:
      return operand === 0 ? 2 : operand === 1 ? 3 : null;
    case UNWIND_OPERATION.saveNonvolatile:
    case UNWIND_OPERATION.saveXmm128:
    case UNWIND_OPERATION.epilog:
      return 2;
    case UNWIND_OPERATION.saveNonvolatileFar:
    case UNWIND_OPERATION.saveXmm128Far:
    case UNWIND_OPERATION.spare:
      return 3;
    default:
      return null;
  }
}

/** Whether the instruction that sets the frame register has run when `ran` bytes of the prolog have. */
function frameRegisterIsSet(codes: Uint8Array, ran: number): boolean {
  for (let i = 0; 2 * i < codes.length; ) {
    const operation = codes[2 * i + 1]! & 0xf;
    if (operation === UNWIND_OPERATION.setFrameRegister) return codes[2 * i]! <= ran;
    i += slotsOf(operation, codes[2 * i + 1]! >> 4) ?? codes.length;
  }
  return false;
}

function pop(state: Unwound, register: number, memory: KernelMemory): boolean {
  const value = memory.u64(state.general[RSP]!);
  if (value === null) return false;
  state.general[RSP]! += 8n;
  if (register !== RSP) state.general[register] = value;
  return true;
}

function undoMachineFrame(state: Unwound, withErrorCode: number, memory: KernelMemory): boolean {
  const at = state.general[RSP]! + (withErrorCode ? 8n : 0n);
  const bytes = memory.read(at, machineFrame.size);
  if (!bytes) return false;
  const pushed = machineFrame.read(bytes);
  state.rip = pushed.rip;
  state.interrupted = true;
  state.general[RSP] = pushed.rsp;
  return true;
}

const settled = (state: Unwound): FrameRegisters => ({
  rip: state.rip!,
  general: state.general.map((value) => value && BigInt.asUintN(64, value)),
  interrupted: state.interrupted,
});

/** Runs an epilog on the registers of a frame; null where a register or the stack is missing. */
export function leaveBy(
  epilog: Epilog,
  general: readonly (bigint | null)[],
  memory: KernelMemory,
): FrameRegisters | null {
  const from = general[epilog.from];
  if (from === null || from === undefined) return null;
  const state: Unwound = { rip: null, general: [...general], interrupted: false };
  state.general[RSP] = BigInt.asUintN(64, from + BigInt(epilog.add));
  return epilog.pops.every((register) => pop(state, register, memory)) ? returnFrom(memory, state) : null;
}

/** Takes the return address off the stack: what every frame without a machine frame ends with. */
function returnFrom(memory: KernelMemory, state: Unwound): FrameRegisters | null {
  const rip = memory.u64(state.general[RSP]!);
  if (rip === null) return null;
  state.general[RSP]! += 8n;
  return settled({ ...state, rip });
}
