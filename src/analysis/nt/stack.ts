import { findEpilog } from "./epilog.ts";
import { isKernelAddress, type KernelMemory } from "./kernel-memory.ts";
import type { Modules } from "./modules.ts";
import type { StackBounds } from "./processors.ts";
import { followsCall, isPrologStart } from "./return-address.ts";
import { type FrameRegisters, leaveBy, RSP, stackPointer, unwind } from "./unwind.ts";

/** One frame: where it executes, its stack pointer there, and how it was found (`via` of the facts' frame). */
export interface StackFrame {
  readonly address: bigint;
  readonly stackPointer: bigint;
  readonly via: "context" | "unwind" | "epilog" | "frame pointer" | "scan after call" | "scan";
}

/** More than any kernel stack holds; a damaged one may never end. */
export const MOST_FRAMES = 192;
export const LONGEST_STACK = 0x10_0000n; // bytes
/** How far a scan looks for the next return address before it gives up, in bytes. */
const SCAN_REACH = 0x3000n;
/** What a function that calls another has at least: home space for four parameters, and 8 bytes for the alignment. */
const SMALLEST_FRAME = 0x28n;
const EPILOG_WINDOW = 256; // what triage dumps keep of the code behind every pointer on the stack

interface Walk {
  readonly modules: Modules;
  readonly memory: KernelMemory;
  /** One past the highest address of the stack that is being walked. */
  readonly end: bigint;
}

/**
 * The frames from the given registers outwards, x64. For each, in this order: the unwind tables of its module; the exit code
 * of its function, read forward from where it executes; the next word on the stack that can be a return address.
 */
export function walkStack(
  start: FrameRegisters,
  modules: Modules,
  memory: KernelMemory,
  bounds: StackBounds | null,
): StackFrame[] {
  const frames: StackFrame[] = [{ address: start.rip, stackPointer: stackPointer(start), via: "context" }];
  let end = bounds?.base ?? stackPointer(start) + LONGEST_STACK;
  let current = start;
  while (frames.length < MOST_FRAMES) {
    const next = caller({ modules, memory, end }, current, frames.length === 1);
    if (!next) break;
    const stack = stackPointer(next.registers);
    frames.push({ address: next.registers.rip, stackPointer: stack, via: next.via });
    // An interrupt may have switched stacks: the one it came from is bounded by nothing but good sense.
    if (next.registers.interrupted && !(stack > stackPointer(current) && stack <= end)) end = stack + LONGEST_STACK;
    current = next.registers;
  }
  return frames;
}

interface Caller {
  readonly registers: FrameRegisters;
  readonly via: StackFrame["via"];
}

function caller(walk: Walk, current: FrameRegisters, first: boolean): Caller | null {
  const { modules, memory } = walk;
  const module = modules.at(current.rip);
  const image = module && modules.image(module);
  const unwound = module && image && unwind(current, image, module.base, memory);
  // The outermost frame returns to nowhere, the one of a system call to user space.
  if (unwound && (unwound.rip === 0n || (unwound.interrupted && !isKernelAddress(unwound.rip)))) return null;
  if (unwound && (isOutwards(walk, current, unwound) || isCalledNowhere(walk, unwound)))
    return { registers: unwound, via: "unwind" };
  const entered = first || (module === null && current.interrupted) ? atFunctionEntry(walk, current) : null;
  return entered ?? byEpilog(walk, current) ?? scan(walk, current, first);
}

/** The stack grows down: a caller's frame lies above, inside the stack, unless an interrupt switched stacks. */
function isOutwards(walk: Walk, from: FrameRegisters, to: FrameRegisters): boolean {
  const stack = stackPointer(to);
  if (stack % 8n !== 0n || walk.modules.at(to.rip) === null) return false;
  return to.interrupted ? isKernelAddress(stack) : stack > stackPointer(from) && stack <= walk.end;
}

/** A trap at an address where no module is, with a return address on top of the stack: the call was to code that is gone. */
function isCalledNowhere(walk: Walk, { rip, interrupted, general }: FrameRegisters): boolean {
  const stack = general[RSP] ?? 0n;
  if (!interrupted || !isKernelAddress(rip) || !isKernelAddress(stack) || stack % 16n !== 8n) return false;
  return walk.modules.at(rip) === null && returnAddressAt(walk, stack) === "scan after call";
}

/**
 * Every call leaves the stack pointer 8 bytes off a multiple of 16: a context with such a stack pointer was taken before the
 * function touched the stack, so the return address is on top of it.
 */
function atFunctionEntry(walk: Walk, current: FrameRegisters): Caller | null {
  const stack = stackPointer(current);
  if (stack % 16n !== 8n) return null;
  const via = returnAddressAt(walk, stack);
  return via && { registers: returned(current.general, walk.memory.u64(stack)!, stack), via };
}

function byEpilog(walk: Walk, current: FrameRegisters): Caller | null {
  const code = longestRead(walk, current.rip, EPILOG_WINDOW);
  const epilog = code && findEpilog(code);
  const found = epilog && leaveBy(epilog, current.general, walk.memory);
  if (!epilog || !found || !isOutwards(walk, current, found)) return null;
  const slot = stackPointer(found) - 8n;
  if (slot % 16n !== 8n || returnAddressAt(walk, slot) === null) return null;
  // Registers that the function saved elsewhere than by a push are restored by code this has not read: only pops are sure.
  const general = found.general.map((value, register) => (epilog.pops.includes(register) ? value : null));
  general[RSP] = stackPointer(found);
  return { registers: { ...found, general }, via: "epilog" };
}

/**
 * The next word on the stack that can be a return address. One that code behind a call confirms wins over a mere pointer so
 * close below it that no frame fits between; one whose own exit code leads to no return address is left over from an old call.
 */
function scan(walk: Walk, current: FrameRegisters, first: boolean): Caller | null {
  const start = stackPointer(current) + (first ? 0n : SMALLEST_FRAME);
  const reach = start + SCAN_REACH < walk.end ? start + SCAN_REACH : walk.end;
  let weak: Caller | null = null;
  // Return addresses lie 8 bytes off a multiple of 16 (see atFunctionEntry).
  for (let slot = start + (((start >> 3n) & 1n) ^ 1n) * 8n; slot + 8n <= reach; slot += 16n) {
    if (weak && slot > stackPointer(weak.registers) + SMALLEST_FRAME) return weak;
    const via = returnAddressAt(walk, slot);
    if (!via) continue;
    const registers = returned([], walk.memory.u64(slot)!, slot);
    if (isLeftOver(walk, registers)) continue;
    if (via === "scan after call") return { registers, via };
    weak ??= { registers, via };
  }
  return weak;
}

/** Whether a function that executes here would, by its own exit code, return to a word that is no return address. */
function isLeftOver(walk: Walk, registers: FrameRegisters): boolean {
  const code = longestRead(walk, registers.rip, EPILOG_WINDOW);
  const epilog = code && findEpilog(code);
  const caller = epilog && epilog.from === RSP ? leaveBy(epilog, registers.general, walk.memory) : null;
  return caller !== null && returnAddressAt(walk, stackPointer(caller) - 8n) === null;
}

const returned = (general: readonly (bigint | null)[], rip: bigint, slot: bigint): FrameRegisters => ({
  rip,
  general: Array.from({ length: 16 }, (_, register) => (register === RSP ? slot + 8n : (general[register] ?? null))),
  interrupted: false,
});

/** Whether the word in a stack slot can be a return address, and how sure that is. */
function returnAddressAt(walk: Walk, slot: bigint): "scan after call" | "scan" | null {
  const address = walk.memory.u64(slot);
  const module = address === null ? null : walk.modules.at(address);
  if (!module || address === null) return null;
  const rva = Number(address - module.base);
  if (walk.modules.image(module)?.isCode(rva) === false) return null;
  for (const length of [8, 7, 6, 5, 3, 2]) {
    const before = walk.modules.code(address - BigInt(length), length);
    if (!before) continue;
    if (followsCall(before)) return "scan after call";
    if (length >= 7) return null; // every form of a call would have shown
  }
  const after = longestRead(walk, address, 16);
  return rva === 0 || (after && isPrologStart(after, address)) ? null : "scan";
}

/** As much code as there is, up to `length` bytes; null when there is none. */
function longestRead(walk: Walk, address: bigint, length: number): Uint8Array | null {
  const whole = walk.modules.code(address, length);
  if (whole) return whole;
  // What can be read whole can be read in part: the end of what the dump has lies between these two.
  let readable = 0;
  let missing = length;
  while (missing - readable > 1) {
    const middle = (readable + missing) >> 1;
    if (walk.modules.code(address, middle)) readable = middle;
    else missing = middle;
  }
  return readable === 0 ? null : walk.modules.code(address, readable);
}
