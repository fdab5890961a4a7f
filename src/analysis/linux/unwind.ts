import { address, layout } from "../../binary/index.ts";
import type { KernelMemory } from "./kernel-memory.ts";
import type { OrcBase, OrcRule } from "./orc.ts";

/** struct pt_regs of x86-64. Source: the ptrace register order, which kernel and BTF share. */
const exceptionRegisters = layout("pt_regs", 168, {
  r13: address(0x10),
  bp: address(0x20),
  r10: address(0x38),
  dx: address(0x60),
  di: address(0x70),
  ip: address(0x80),
  cs: address(0x88),
  sp: address(0x98),
});

/** What the processor itself pushes. */
const interruptFrame = layout("interrupt frame", 40, {
  ip: address(0),
  cs: address(8),
  sp: address(24),
});

/** The registers that ORC rules count from. */
export interface UnwindRegisters {
  readonly ip: bigint;
  readonly sp: bigint;
  readonly bp: bigint;
  readonly dx: bigint | null;
  readonly di: bigint | null;
  readonly r10: bigint | null;
  readonly r13: bigint | null;
}

export interface UnwoundFrame {
  readonly address: bigint;
  readonly stackPointer: bigint;
  /** True: execution goes on here after a call. False: it was here when the context was saved. */
  readonly isReturn: boolean;
}

export interface UnwoundStack {
  readonly frames: readonly UnwoundFrame[];
  /** Unwinding came to the stack's end or to user mode, and did not break off. */
  readonly whole: boolean;
}

/** THREAD_SIZE of 16 KiB holds fewer frames; exception stacks chain a few. */
const MOST_FRAMES = 1024;
const USER_MODE = 3n;

/**
 * Walks a kernel stack by its ORC rules, through interrupts and from one stack to the next.
 * @param ruleAt null where no code is
 */
export function unwind(
  memory: KernelMemory,
  ruleAt: (address: bigint) => OrcRule | null,
  start: UnwindRegisters,
): UnwoundStack {
  const frames: UnwoundFrame[] = [];
  let state: Step = { ...start, isReturn: false };
  while (frames.length < MOST_FRAMES) {
    frames.push({ address: state.ip, stackPointer: state.sp, isReturn: state.isReturn });
    const rule = ruleAt(state.isReturn ? state.ip - 1n : state.ip);
    if (rule?.kind === "end") return { frames, whole: true };
    const next = rule ? step(memory, rule, state) : strayCall(memory, ruleAt, state);
    if (next === "user") return { frames, whole: true };
    if (!next || (next.sp === state.sp && next.ip === state.ip)) return { frames, whole: false };
    state = next;
  }
  return { frames, whole: false };
}

interface Step extends UnwindRegisters {
  readonly isReturn: boolean;
}

/**
 * Where a processor failed to fetch its next instruction, it came there by a call through a bad pointer, and the address to
 * return to is the last word pushed. Nothing else can have changed the stack since.
 */
function strayCall(
  memory: KernelMemory,
  ruleAt: (address: bigint) => OrcRule | null,
  { sp, bp, isReturn }: Step,
): Step | null {
  const ip = isReturn ? null : memory.u64(sp);
  if (ip === null || ruleAt(ip - 1n) === null) return null;
  return { ip, sp: sp + 8n, bp, dx: null, di: null, r10: null, r13: null, isReturn: true };
}

/** The caller's state; "user" where the kernel was entered from user mode, null where the stack cannot be followed. */
function step(memory: KernelMemory, rule: OrcRule, state: Step): Step | "user" | null {
  const sp = previousStack(memory, rule, state);
  if (sp === null) return null;
  const bp = previousFrame(memory, rule, state, sp);
  if (bp === null) return null;
  if (rule.kind === "call") {
    const ip = memory.u64(sp - 8n);
    return ip === null ? null : { ip, sp, bp, dx: null, di: null, r10: null, r13: null, isReturn: true };
  }
  const { size } = rule.kind === "registers" ? exceptionRegisters : interruptFrame;
  const bytes = rule.kind === "undefined" ? null : memory.read(sp, size);
  if (bytes === null) return null;
  if (rule.kind === "registers") {
    const { cs, ...registers } = exceptionRegisters.read(bytes);
    // A bp that the rule does not speak of is the one that was saved.
    const saved = rule.frame === "undefined" ? registers.bp : bp;
    return (cs & USER_MODE) !== 0n ? "user" : { ...registers, bp: saved, isReturn: false };
  }
  const { ip, cs, sp: interrupted } = interruptFrame.read(bytes);
  return (cs & USER_MODE) !== 0n ? "user" : { ...state, ip, sp: interrupted, bp, isReturn: false };
}

function previousStack(memory: KernelMemory, { stack, stackOffset }: OrcRule, state: Step): bigint | null {
  const offset = BigInt(stackOffset);
  if (stack === "sp indirect") return plus(memory.u64(state.sp), offset);
  if (stack === "bp indirect") return memory.u64(BigInt.asUintN(64, state.bp + offset));
  return plus(baseValue(stack, state), offset);
}

function previousFrame(memory: KernelMemory, { frame, frameOffset }: OrcRule, state: Step, sp: bigint): bigint | null {
  if (frame === "previous sp") return memory.u64(BigInt.asUintN(64, sp + BigInt(frameOffset)));
  if (frame === "bp") return memory.u64(BigInt.asUintN(64, state.bp + BigInt(frameOffset)));
  return frame === "undefined" ? state.bp : null;
}

function baseValue(base: OrcBase, state: Step): bigint | null {
  switch (base) {
    case "sp":
    case "bp":
    case "r10":
    case "r13":
    case "di":
    case "dx":
      return state[base];
    default:
      return null;
  }
}

const plus = (value: bigint | null, offset: bigint) => (value === null ? null : BigInt.asUintN(64, value + offset));
