import { layout, u8, u32, u64 } from "../../binary/index.ts";
import { callNowhere } from "../faults/unloaded-call.ts";
import type { KernelFunction } from "../image/loaded-image.ts";
import { DISPATCH_LEVEL } from "../threads/processor.ts";
import type { Thread } from "../threads/thread.ts";
import { CLOCK_INTERVAL_SECONDS, TICKS_PER_SECOND } from "../threads/virtual-clock.ts";
import type { Kernel } from "./kernel.ts";

/** KTIMER. Source: Microsoft's public wdm.h documentation. */
export const ktimer = layout("KTIMER", 0x40, {
  type: u8(0x00, "8: a notification timer"),
  dueTime: u64(0x18, "100 ns since the start"),
  flink: u64(0x20, "the list of timers that are set"),
  blink: u64(0x28),
  dpc: u64(0x30),
});

/** KDPC. */
export const kdpc = layout("KDPC", 0x40, {
  type: u8(0x00, "0x13: a DPC"),
  flink: u64(
    0x08,
    "the list of DPCs that wait; in Windows it has one direction, so that here the next field is taken too",
  ),
  blink: u64(0x10),
  deferredRoutine: u64(0x18),
  deferredContext: u64(0x20),
  number: u32(0x38),
});

const NOTIFICATION_TIMER = 8;
const DPC_OBJECT = 0x13;

const at = ({ offset }: { readonly offset: number }) => BigInt(offset);

/** A routine that is called at DISPATCH_LEVEL, and what it does. */
export interface DeferredCall {
  readonly function: KernelFunction;
  readonly body: (thread: Thread) => void;
}

/** A timer, or a DPC that waits, with the address of the routine that it leads to. */
export interface PendingCall {
  readonly object: bigint;
  readonly routine: bigint;
}

/**
 * Timers that are set and DPCs that wait for their processor: KTIMERs and KDPCs, in lists, wherever their owners keep them. When one is due, the
 * first processor is interrupted for its routine. Whether that is still there is nobody's question before.
 */
export class PendingCalls {
  readonly #kernel: Kernel;
  readonly #timers: bigint;
  readonly #queue: bigint;
  readonly #calls = new Map<bigint, DeferredCall>();

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
    this.#timers = kernel.variable("KiTimerListHead");
    this.#queue = kernel.variable("KiDpcListHead");
    for (const head of [this.#timers, this.#queue]) kernel.memory.initializeList(head);
  }

  /** Sets a timer whose DPC comes after so many seconds. @param timer address of a KTIMER @param dpc address of a KDPC */
  setTimer(timer: bigint, dpc: bigint, seconds: number, call: DeferredCall): void {
    const { memory, clock } = this.#kernel;
    const dueTime = BigInt(clock.now + Math.round(seconds * TICKS_PER_SECOND));
    this.#initialize(dpc, call);
    memory.put(ktimer, timer, { type: NOTIFICATION_TIMER, dueTime, dpc });
    memory.insertTail(this.#timers, timer + at(ktimer.fields.flink));
    clock.after(seconds * TICKS_PER_SECOND, () => {
      if (this.#calls.get(dpc) !== call) return;
      memory.processor = this.#kernel.processors[0]!.virtual;
      memory.removeEntry(timer + at(ktimer.fields.flink));
      this.#deliver(dpc, "KiProcessExpiredTimerList");
    });
  }

  /** Takes a timer back that is set. */
  cancelTimer(timer: bigint): void {
    const { memory } = this.#kernel;
    memory.removeEntry(timer + at(ktimer.fields.flink));
    this.#calls.delete(memory.processor.readU64(timer + at(ktimer.fields.dpc)));
  }

  /** Queues a DPC of low importance: it comes with the next clock interrupt. @param dpc address of a KDPC */
  queueDpc(dpc: bigint, call: DeferredCall): void {
    const { memory, clock } = this.#kernel;
    this.#initialize(dpc, call);
    memory.insertTail(this.#queue, dpc + at(kdpc.fields.flink));
    clock.after(CLOCK_INTERVAL_SECONDS * TICKS_PER_SECOND, () => {
      memory.processor = this.#kernel.processors[0]!.virtual;
      memory.removeEntry(dpc + at(kdpc.fields.flink));
      this.#deliver(dpc, "KiExecuteAllDpcs");
    });
  }

  /** Timers that are set. */
  timers(): PendingCall[] {
    const { processor } = this.#kernel.memory;
    return this.#listed(this.#timers, at(ktimer.fields.flink)).map((object) => {
      const dpc = processor.readU64(object + at(ktimer.fields.dpc));
      return { object, routine: processor.readU64(dpc + at(kdpc.fields.deferredRoutine)) };
    });
  }

  /** DPCs that wait. */
  dpcs(): PendingCall[] {
    const { processor } = this.#kernel.memory;
    const routineOf = (dpc: bigint) => processor.readU64(dpc + at(kdpc.fields.deferredRoutine));
    return this.#listed(this.#queue, at(kdpc.fields.flink)).map((object) => ({ object, routine: routineOf(object) }));
  }

  #listed(head: bigint, link: bigint): bigint[] {
    const { processor } = this.#kernel.memory;
    const found: bigint[] = [];
    for (let entry = processor.readU64(head); entry !== head; entry = processor.readU64(entry))
      found.push(entry - link);
    return found;
  }

  #initialize(dpc: bigint, call: DeferredCall): void {
    this.#kernel.memory.put(kdpc, dpc, { type: DPC_OBJECT, deferredRoutine: call.function.address });
    this.#calls.set(dpc, call);
  }

  /** Interrupts what the first processor is at, for a deferred routine. */
  #deliver(dpc: bigint, from: "KiProcessExpiredTimerList" | "KiExecuteAllDpcs"): void {
    const { memory, images, processors } = this.#kernel;
    const processor = processors[0]!;
    const thread = processor.current;
    const call = this.#calls.get(dpc)!;
    this.#calls.delete(dpc);
    const irql = processor.irql;
    thread.trap(images.find("nt!KiDpcInterrupt"), { errorCode: 0, address: 0n, rip: thread.rip });
    processor.irql = DISPATCH_LEVEL;
    for (const name of ["KiRetireDpcList", from]) thread.enter(images.find(`nt!${name}`), [dpc]);
    const routine = memory.processor.readU64(dpc + at(kdpc.fields.deferredRoutine));
    if (images.imageAt(routine) === undefined) callNowhere(this.#kernel, thread, routine, "DeferredRoutine");
    thread.call(call.function, [dpc], () => call.body(thread), "DeferredRoutine");
    thread.leave();
    thread.leave();
    processor.irql = irql;
    thread.returnFromTrap();
  }
}
