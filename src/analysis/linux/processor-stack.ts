import type { Registers } from "../../binary/index.ts";
import type { LinuxKernel } from "./kernel.ts";
import type { KernelModule } from "./modules.ts";
import { OrcTable } from "./orc.ts";
import type { Place } from "./symbolizer.ts";
import { type UnwoundFrame, unwind } from "./unwind.ts";

/** A frame of an unwound stack, and what lies there. */
export interface PlacedFrame extends UnwoundFrame {
  readonly place: Place | null;
}

export interface PlacedStack {
  readonly frames: readonly PlacedFrame[];
  readonly whole: boolean;
}

/** Unwinds what a processor was doing, from the registers the dump has of it. Null without registers, types or symbols. */
export function processorStack(kernel: LinuxKernel, registers: Registers): PlacedStack | null {
  const { memory, symbols, types, symbolizer } = kernel;
  const [ip, sp, bp] = [registers.rip, registers.rsp, registers.rbp];
  if (!symbols || !types || !symbolizer || ip === undefined || sp === undefined || bp === undefined) return null;
  const own = OrcTable.ofKernel(memory, symbols, types);
  const ofModules = new Map<KernelModule, OrcTable | null>();
  const ruleAt = (address: bigint) => {
    const module = symbolizer.moduleAt(address);
    // The table's last rule goes on for ever, the kernel does not.
    if (!module) return symbols.at(address) ? (own?.find(address) ?? null) : null;
    if (!ofModules.has(module)) ofModules.set(module, OrcTable.ofModule(memory, types, module));
    return ofModules.get(module)?.find(address) ?? null;
  };
  const others = { dx: registers.rdx, di: registers.rdi, r10: registers.r10, r13: registers.r13 };
  const { dx = null, di = null, r10 = null, r13 = null } = others;
  const { frames, whole } = unwind(memory, ruleAt, { ip, sp, bp, dx, di, r10, r13 });
  const placed = frames.map((frame) => ({
    ...frame,
    place: frame.isReturn ? symbolizer.caller(frame.address) : symbolizer.at(frame.address),
  }));
  return { frames: placed, whole };
}

/** The functions that take a kernel down after a fault, whole or the unlikely part that the compiler moved away. */
const DEATHS = /^(?:oops_end|crash_kexec|die)(?:\.cold)?$/;
/** A panic's way into kexec ends in __crash_kexec, which saves the address of a label of its own as the instruction pointer. */
const PANIC = /^(?:panic|__crash_kexec)(?:\.cold)?$/;

/**
 * The part of a panicking processor's stack that led to the panic: from the faulting instruction where a fault took it down,
 * else from the caller of panic(). QEMU stops a guest deep inside the panic; kexec saves the registers of the fault itself.
 */
export function framesOfCrash(frames: readonly PlacedFrame[]): readonly PlacedFrame[] {
  const died = frames.findLastIndex(({ place }) => DEATHS.test(place?.function ?? ""));
  const fault = frames.findIndex((frame, at) => at > died && !frame.isReturn);
  if (died >= 0 && fault >= 0) return frames.slice(fault);
  return frames.slice(frames.findLastIndex(({ place }) => PANIC.test(place?.function ?? "")) + 1);
}
