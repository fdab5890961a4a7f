import { ethread, kprcb } from "../../dumpfile/index.ts";
import type { KernelMemory } from "../memory/kernel-memory.ts";
import type { Processor } from "./processor.ts";
import { THREAD_STATE, type Thread } from "./thread.ts";
import { TICKS_PER_SECOND, type VirtualClock } from "./virtual-clock.ts";

const CURRENT_THREAD = BigInt(kprcb.fields.currentThread.offset);
const STATE = BigInt(ethread.fields.state.offset);
const NEXT_PROCESSOR = BigInt(ethread.fields.nextProcessor.offset);
const KERNEL_STACK = BigInt(ethread.fields.kernelStack.offset);

/** Bit 63 of what is moved to CR3, while there are process-context identifiers. */
const KEEP_TRANSLATIONS = 1n << 63n;

/**
 * Runs threads on processors: first ready, first served, on the first processor that is idle. A thread keeps its processor
 * until it waits; while it computes, other processors run other threads.
 */
export class Dispatcher {
  readonly #clock: VirtualClock;
  readonly #memory: KernelMemory;
  readonly #processors: readonly Processor[];
  readonly #ready: Thread[] = [];

  constructor(clock: VirtualClock, memory: KernelMemory, processors: readonly Processor[]) {
    this.#clock = clock;
    this.#memory = memory;
    this.#processors = processors;
  }

  /** Lets a thread run as soon as a processor is idle. */
  makeReady(thread: Thread): void {
    this.#ready.push(thread);
    this.#setState(thread, THREAD_STATE.ready);
    if (this.#idle()) this.#clock.after(0, () => this.#assign());
  }

  /** Gives an idle processor the first thread that is ready. */
  #assign(): void {
    const processor = this.#idle();
    const thread = processor && this.#ready.shift();
    if (!thread) return;
    this.#memory.processor = processor.virtual;
    this.#switchTo(processor, thread);
    this.#run(processor);
  }

  #idle(): Processor | undefined {
    return this.#processors.find((processor) => processor.current === processor.idle);
  }

  /** Lets the processor's thread go on until it waits. */
  #run(processor: Processor): void {
    this.#memory.processor = processor.virtual;
    const thread = processor.current;
    const step = thread.routine!.next();
    if (!step.done && step.value.kind === "compute") {
      this.#clock.after(step.value.seconds * TICKS_PER_SECOND, () => this.#run(processor));
      return;
    }
    this.#setState(thread, step.done ? THREAD_STATE.terminated : THREAD_STATE.waiting);
    this.#memory.processor.writeU64(thread.object + KERNEL_STACK, thread.rsp);
    thread.processor = null;
    if (!step.done && step.value.kind === "sleep")
      this.#clock.after(step.value.seconds * TICKS_PER_SECOND, () => this.makeReady(thread));
    if (!step.done && step.value.kind === "await") step.value.begin(() => this.makeReady(thread));
    const next = this.#ready.shift();
    this.#switchTo(processor, next ?? processor.idle);
    if (next) this.#clock.after(0, () => this.#run(processor));
  }

  #switchTo(processor: Processor, thread: Thread): void {
    // Nothing is flushed: whoever changes an address space sees to it that no processor keeps what it was.
    if (processor.virtual.registers.cr3 !== thread.directoryTableBase)
      processor.virtual.moveToCr3(KEEP_TRANSLATIONS | thread.directoryTableBase);
    processor.current = thread;
    thread.processor = processor;
    this.#memory.processor.writeU64(processor.controlBlock + CURRENT_THREAD, thread.object);
    this.#setState(thread, THREAD_STATE.running);
    this.#memory.processor.writeU32(thread.object + NEXT_PROCESSOR, processor.index);
  }

  #setState(thread: Thread, state: number): void {
    this.#memory.processor.writeU8(thread.object + STATE, state);
  }
}
