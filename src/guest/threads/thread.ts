import { machineFrame, UNWIND_REGISTERS } from "../../binary/index.ts";
import { trapFrame } from "../faults/trap-frame.ts";
import type { RegisterName } from "../image/function.ts";
import type { KernelFunction, LoadedImage } from "../image/loaded-image.ts";
import type { KernelMemory } from "../memory/kernel-memory.ts";
import type { Processor } from "./processor.ts";
import type { Routine } from "./wait.ts";

export const KERNEL_CODE_SEGMENT = 0x10n;
export const KERNEL_STACK_SEGMENT = 0x18n;

const NUMBER = Object.fromEntries(UNWIND_REGISTERS.map((name, index) => [name, index])) as Record<RegisterName, number>;
const RSP = NUMBER.rsp;
/** x64 calling convention: where the first four arguments travel. */
const ARGUMENTS = [NUMBER.rcx, NUMBER.rdx, NUMBER.r8, NUMBER.r9] as const;
const VOLATILE = ["rax", "rcx", "rdx", "r8", "r9", "r10", "r11"] as const;
const WORD = 8n;

interface Frame {
  readonly function: KernelFunction;
  /** rsp and the registers this function saved, as they were at its entry. */
  readonly entryRsp: bigint;
  readonly saved: readonly bigint[];
}

/** KTHREAD_STATE as far as this scheduler knows it. */
export const THREAD_STATE = { initialized: 0, ready: 1, running: 2, terminated: 4, waiting: 5, transition: 6 } as const;

/**
 * A thread: an ETHREAD and a kernel stack in guest memory, and the registers it runs with.
 *
 * Calling a function is what the processor and the function's prolog would do: the return address goes on the stack,
 * then the saved registers, then rsp moves. So the stack in memory unwinds by the images' unwind information at every moment.
 */
export class Thread {
  /** Address of the ETHREAD. */
  readonly object: bigint;
  readonly id: number;
  readonly process: bigint;
  /** What CR3 holds while it runs: its process's address space. */
  readonly directoryTableBase: bigint;
  readonly stackBase: bigint;
  readonly stackLimit: bigint;
  /** By unwind number; rsp among them. */
  readonly registers = new BigUint64Array(16);
  rip = 0n;
  routine: Routine | null = null;
  /** Where it runs; null while it does not. */
  processor: Processor | null = null;

  readonly #memory: KernelMemory;
  readonly #frames: Frame[] = [];

  constructor(
    place: {
      readonly object: bigint;
      readonly id: number;
      readonly process: bigint;
      readonly directoryTableBase: bigint;
      readonly stackBase: bigint;
      readonly stackLimit: bigint;
    },
    memory: KernelMemory,
  ) {
    this.object = place.object;
    this.id = place.id;
    this.process = place.process;
    this.directoryTableBase = place.directoryTableBase;
    this.stackBase = place.stackBase;
    this.stackLimit = place.stackLimit;
    this.#memory = memory;
    // The top of a stack keeps room for what the processor saves at a switch to user mode.
    this.registers[RSP] = place.stackBase - 0x90n;
  }

  get rsp(): bigint {
    return this.registers[RSP]!;
  }

  /** The function it executes. */
  get function(): KernelFunction | null {
    return this.#frames.at(-1)?.function ?? null;
  }

  /** Calls a function, runs its body and returns from it. An exception out of the body leaves the stack as it is. */
  call<T>(target: KernelFunction, values: readonly bigint[], body: () => T, site?: string): T {
    this.enter(target, values, site);
    const result = body();
    this.leave();
    return result;
  }

  /** The same for a body that may wait. */
  *callWaiting<T>(
    target: KernelFunction,
    values: readonly bigint[],
    body: () => Routine<T>,
    site?: string,
  ): Routine<T> {
    this.enter(target, values, site);
    const result = yield* body();
    this.leave();
    return result;
  }

  /**
   * Call instruction and prolog.
   * @param site the caller's call site; without it, the one that calls the target by name
   */
  enter(target: KernelFunction, values: readonly bigint[] = [], site?: string): void {
    this.#push(this.#returnAddress(target, site));
    for (let index = 0; index < values.length; index++) this.registers[ARGUMENTS[index]!] = values[index]!;
    this.#prolog(target);
    // A function that saves a register does so to keep an argument in it.
    const { pushes } = target.code;
    for (let index = 0; index < pushes.length && index < values.length; index++)
      this.registers[pushes[index]!] = values[index]!;
  }

  /** Call instruction through a pointer that may lead anywhere; nothing is there that could be entered. */
  callInto(address: bigint, site: string): void {
    this.#push(this.siteAddress(site));
    this.rip = address;
  }

  /** Epilog and return: registers and rsp are as at the call. */
  leave(): void {
    const frame = this.#frames.pop()!;
    const { pushes } = frame.function.code;
    for (let index = 0; index < pushes.length; index++) this.registers[pushes[index]!] = frame.saved[index]!;
    this.registers[RSP] = frame.entryRsp + WORD;
    this.rip = this.#memory.processor.readU64(frame.entryRsp);
  }

  /** It executes a function of an image, or one that has been called from there. */
  isWithin(image: LoadedImage): boolean {
    return this.#frames.some((frame) => frame.function.image === image);
  }

  /** The function it executes as it was called: rip on its first instruction, rsp on the return address. */
  entryOfFunction(): { readonly rip: bigint; readonly rsp: bigint } {
    const { function: current, entryRsp } = this.#frames.at(-1)!;
    return { rip: current.address, rsp: entryRsp };
  }

  /** Address of a place in the function it executes: behind a call, or of a load or store. */
  siteAddress(site: string): bigint {
    const current = this.function;
    const rva = current?.code.sites.get(site);
    if (current === null || rva === undefined) throw new Error(`${current?.code.name} has no site ${site}`);
    return current.image.base + BigInt(rva);
  }

  /**
   * Return address of the innermost function whose image `wanted` accepts: who called into the kernel.
   * 0 when there is none.
   */
  callerIn(wanted: (frame: KernelFunction) => boolean): bigint {
    for (let index = this.#frames.length - 1; index > 0; index--)
      if (wanted(this.#frames[index - 1]!.function))
        return this.#memory.processor.readU64(this.#frames[index]!.entryRsp);
    return 0n;
  }

  /** The same, and the return addresses further out, innermost first. */
  callersIn(wanted: (frame: KernelFunction) => boolean): bigint[] {
    return this.#frames
      .flatMap(({ entryRsp }, index) => {
        const caller = this.#frames[index - 1];
        return caller !== undefined && wanted(caller.function) ? [this.#memory.processor.readU64(entryRsp)] : [];
      })
      .reverse();
  }

  /**
   * What an exception does: the processor pushes a machine frame with an error code, the handler's prolog makes a
   * KTRAP_FRAME of it and fills in the volatile registers. rip is where the fault was. Some exceptions have a
   * stack of their own, whose end is `stack`.
   */
  trap(
    handler: KernelFunction,
    fault: { readonly errorCode: number; readonly address: bigint; readonly rip: bigint; readonly stack?: bigint },
  ): void {
    const { processor } = this.#memory;
    const interrupted = this.rsp;
    this.registers[RSP] = ((fault.stack ?? interrupted) & ~0xfn) - BigInt(machineFrame.size);
    this.#memory.put(machineFrame, this.rsp, {
      rip: fault.rip,
      cs: KERNEL_CODE_SEGMENT,
      rflags: 0x10286n,
      rsp: interrupted,
      ss: KERNEL_STACK_SEGMENT,
    });
    this.#push(BigInt(fault.errorCode));
    this.#prolog(handler);
    const frame = this.rsp;
    for (const name of VOLATILE)
      processor.writeU64(frame + BigInt(trapFrame.fields[name].offset), this.registers[NUMBER[name]]!);
    this.#memory.put(trapFrame, frame, {
      mxCsr: 0x1f80,
      previousIrql: this.processor?.irql ?? 0,
      faultAddress: fault.address,
    });
  }

  /** IRETQ at the end of a handler that has resolved the exception: the interrupted instruction is tried again. */
  returnFromTrap(): void {
    const { processor } = this.#memory;
    const frame = this.rsp;
    const { function: handler, entryRsp, saved } = this.#frames.pop()!;
    for (const name of VOLATILE)
      this.registers[NUMBER[name]] = processor.readU64(frame + BigInt(trapFrame.fields[name].offset));
    for (const [index, register] of handler.code.pushes.entries()) this.registers[register] = saved[index]!;
    const machine = entryRsp + WORD;
    this.rip = processor.readU64(machine + BigInt(machineFrame.fields.rip.offset));
    this.registers[RSP] = processor.readU64(machine + BigInt(machineFrame.fields.rsp.offset));
  }

  /** What an instruction of the current function has put into a register. */
  setRegister(name: RegisterName, value: bigint): void {
    this.registers[NUMBER[name]] = value;
  }

  /** The registers by name, as a debugger wants them. */
  namedRegisters(): Record<RegisterName, bigint> {
    return Object.fromEntries(UNWIND_REGISTERS.map((name, index) => [name, this.registers[index]!])) as Record<
      RegisterName,
      bigint
    >;
  }

  #prolog(target: KernelFunction): void {
    const entryRsp = this.rsp;
    const saved = target.code.pushes.map((register) => this.registers[register]!);
    for (const value of saved) this.#push(value);
    this.registers[RSP]! -= BigInt(target.code.frameBytes);
    this.rip = target.image.base + BigInt(target.code.body);
    this.#frames.push({ function: target, entryRsp, saved });
  }

  #returnAddress(target: KernelFunction, site: string | undefined): bigint {
    const caller = this.function;
    if (caller === null) return 0n; // a thread's first function has nowhere to return to
    const own = caller.image === target.image;
    return this.siteAddress(site ?? (own ? target.code.name : target.name));
  }

  #push(value: bigint): void {
    this.registers[RSP]! -= WORD;
    this.#memory.processor.writeU64(this.rsp, value);
  }
}
