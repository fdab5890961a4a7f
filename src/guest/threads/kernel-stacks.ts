import { PAGE_SIZE } from "../../binary/index.ts";
import { ethread } from "../../dumpfile/index.ts";
import type { KernelMemory } from "../memory/kernel-memory.ts";
import type { PageableMemory } from "../memory/pageable-memory.ts";
import { THREAD_STATE, type Thread } from "./thread.ts";
import { TICKS_PER_SECOND, type VirtualClock } from "./virtual-clock.ts";

/** A thread that has waited in user mode for so many seconds is taken to wait on. */
const REST_SECONDS = 4;
const STATE = BigInt(ethread.fields.state.offset);

/**
 * Kernel stacks of threads that wait in user mode: after a while they leave for the page file. Such a thread cannot run before its stack
 * is back, and cannot fetch it either: the kernel's swapper does.
 */
export class KernelStacks {
  readonly #pageable: PageableMemory;
  readonly #clock: VirtualClock;
  readonly #memory: KernelMemory;
  /** Those that wait and whose stack is there, and since when each does, in ticks. */
  readonly #resting = new Map<Thread, number>();
  /** Threads whose wait is over while their stack is out, and what makes each ready. */
  readonly #wanted = new Map<Thread, () => void>();
  #wakeSwapper: (() => void) | null = null;

  constructor(pageable: PageableMemory, clock: VirtualClock, memory: KernelMemory) {
    this.#pageable = pageable;
    this.#clock = clock;
    this.#memory = memory;
  }

  /** A thread begins to wait in user mode. */
  rest(thread: Thread): void {
    this.#resting.set(thread, this.#clock.now);
  }

  /** Its wait is over: it is made ready at once, or when the swapper has brought its stack back. */
  wake(thread: Thread, makeReady: () => void): void {
    if (this.#resting.delete(thread)) {
      makeReady();
      return;
    }
    this.#wanted.set(thread, makeReady);
    this.#memory.processor.writeU8(thread.object + STATE, THREAD_STATE.transition);
    this.#wakeSwapper?.();
    this.#wakeSwapper = null;
  }

  /** Lets go of the stacks of all that have waited for long. */
  trim(): void {
    for (const [thread, since] of this.#resting) {
      if (this.#clock.now - since < REST_SECONDS * TICKS_PER_SECOND) continue;
      this.#resting.delete(thread);
      this.#pageable.letGo(thread.stackLimit, Number(thread.stackBase - thread.stackLimit) / PAGE_SIZE);
    }
  }

  /** The swapper has nothing to do: `wake` tells it when it has. */
  whenWanted(wake: () => void): void {
    if (this.#wanted.size > 0) wake();
    else this.#wakeSwapper = wake;
  }

  /** A thread whose stack is to be brought back; undefined: none is. */
  nextWanted(): Thread | undefined {
    return this.#wanted.keys().next().value;
  }

  /** Its stack is there again. */
  broughtBack(thread: Thread): void {
    const makeReady = this.#wanted.get(thread)!;
    this.#wanted.delete(thread);
    makeReady();
  }
}
