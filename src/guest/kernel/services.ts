import { GeneralProtectionFault, PageFault } from "../../hypervisor/index.ts";
import { doubleFault } from "../faults/double-fault.ts";
import { overstay } from "../faults/dpc-watchdog.ts";
import { FAST_FAIL, fastFail } from "../faults/fast-fail.ts";
import { hardFault } from "../faults/hard-fault.ts";
import type { Harm } from "../faults/harm.ts";
import { pageFault } from "../faults/page-fault.ts";
import { generalProtection } from "../faults/unhandled-exception.ts";
import type { KernelFunction } from "../image/loaded-image.ts";
import type { PoolKind } from "../memory/pool.ts";
import { DISPATCH_LEVEL } from "../threads/processor.ts";
import type { Thread } from "../threads/thread.ts";
import { TICKS_PER_SECOND } from "../threads/virtual-clock.ts";
import type { Routine } from "../threads/wait.ts";
import { DeferredServices } from "./deferred-services.ts";
import { DmaServices } from "./dma-services.ts";
import type { Kernel } from "./kernel.ts";
import { LockedPages } from "./locked-pages.ts";
import { MdlServices } from "./mdl-services.ts";
import { PoolServices } from "./pool-services.ts";
import { PowerServices } from "./power-services.ts";

/** `E8 rel32`. */
const CALL_BYTES = 5n;

/**
 * What drivers call. Each service runs on the calling thread's stack, under the name that it has in Windows, and does its
 * work on guest memory.
 */
export class Services {
  readonly #kernel: Kernel;
  readonly #functions = new Map<string, KernelFunction>();

  readonly pools: PoolServices;
  /** Of buffers that are mapped by system PTEs. */
  readonly mdls: MdlServices;
  /** Of work that comes later. */
  readonly deferred: DeferredServices;
  /** Of devices and their power. */
  readonly power: PowerServices;

  /** What a driver does wrong on purpose is told here. */
  readonly harm: Harm;
  /** Of pages that are to stay where they are. */
  readonly locks: LockedPages;
  /** Of devices that write to memory by themselves. */
  readonly dma: DmaServices;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
    this.pools = new PoolServices(kernel);
    this.mdls = new MdlServices(kernel, this.pools);
    this.deferred = new DeferredServices(kernel);
    this.harm = kernel.harm;
    this.power = new PowerServices(kernel, this);
    this.locks = new LockedPages(kernel);
    this.dma = new DmaServices(kernel);
  }

  ioCreateDevice(thread: Thread, driverObject: bigint): bigint {
    return thread.call(this.#nt("IoCreateDevice"), [driverObject], () => this.#kernel.devices.create(driverObject));
  }

  psCreateSystemThread(caller: Thread, start: KernelFunction, routine: (thread: Thread) => Routine): void {
    caller.call(this.#nt("PsCreateSystemThread"), [start.address], () => {
      const thread = this.#kernel.processes.createThread(this.#kernel.processes.system, start.address);
      thread.routine = this.#systemThread(thread, start, routine);
      this.#kernel.dispatcher.makeReady(thread);
    });
  }

  /** Address of the block, 0 when the pool is full. @param tag four letters */
  exAllocatePoolWithTag(thread: Thread, kind: PoolKind, bytes: number, tag: string): bigint {
    return this.pools.allocate(thread, kind, bytes, tag);
  }

  /** @param tag what the caller says the block's tag is; left out, it does not say */
  exFreePoolWithTag(thread: Thread, address: bigint, tag?: string): void {
    this.pools.free(thread, address, tag);
  }

  /** Gives the processor up for so long. */
  *keDelayExecutionThread(thread: Thread, seconds: number): Routine {
    const chain = ["KeDelayExecutionThread", "KiCommitThreadWait", "KiSwapThread", "KiSwapContext"];
    for (const name of chain) thread.enter(this.#nt(name), [thread.object]);
    yield { kind: "sleep", seconds };
    for (const _ of chain) thread.leave();
  }

  /** The same for a thread that waits in user mode, whose stack may leave meanwhile. */
  *delayInUserMode(thread: Thread, seconds: number): Routine {
    const { clock, stacks } = this.#kernel;
    const chain = ["KeDelayExecutionThread", "KiCommitThreadWait", "KiSwapThread", "KiSwapContext"];
    for (const name of chain) thread.enter(this.#nt(name), [thread.object]);
    yield {
      kind: "await",
      begin: (wake) => {
        stacks.rest(thread);
        clock.after(seconds * TICKS_PER_SECOND, () => stacks.wake(thread, wake));
      },
    };
    for (const _ of chain) thread.leave();
  }

  /** Gives the processor up until `begin`'s caller wakes the thread. */
  *keWaitForSingleObject(thread: Thread, begin: (wake: () => void) => void): Routine {
    const chain = ["KeWaitForSingleObject", "KiCommitThreadWait", "KiSwapThread", "KiSwapContext"];
    for (const name of chain) thread.enter(this.#nt(name), [thread.object]);
    yield { kind: "await", begin };
    for (const _ of chain) thread.leave();
  }

  /** Has a process's thread wait for a request of a file; tells its NTSTATUS. */
  *ntReadFile(thread: Thread, begin: (done: (status: number) => void) => void): Routine<number> {
    const path = ["NtReadFile", "IopSynchronousServiceTail"];
    for (const name of path) thread.enter(this.#nt(name));
    let status = 0;
    yield* this.keWaitForSingleObject(thread, (wake) =>
      begin((ended) => {
        status = ended;
        wake();
      }),
    );
    for (const _ of path) thread.leave();
    return status;
  }

  /** Has a driver do something with a buffer of the thread's process; a driver that is not there yet does nothing. */
  *ntDeviceIoControlFile(thread: Thread, driver: string, buffer: bigint, bytes: number): Routine {
    const dispatch = this.#kernel.devices.controlOf(driver);
    if (dispatch === null) return;
    const path = ["NtDeviceIoControlFile", "IofCallDriver"];
    for (const name of path) thread.enter(this.#nt(name), [buffer]);
    const body = () => dispatch.body(thread, buffer, bytes);
    yield* thread.callWaiting(dispatch.function, [buffer, BigInt(bytes)], body, "MajorFunction");
    for (const _ of path) thread.leave();
  }

  /** Memory of a driver's pageable section: it may be in the page file when it is touched. */
  mmAllocatePageable(thread: Thread, pages: number): bigint {
    return thread.call(this.#nt("MmAllocatePagesForMdl"), [BigInt(pages)], () => this.#kernel.pageable.allocate(pages));
  }

  /** An instruction of the current function that reads pageable memory: it may have to wait for the page file. */
  *loadPageable(thread: Thread, site: string, address: bigint): Routine<bigint> {
    for (;;) {
      thread.setRegister("rcx", address);
      try {
        return this.#kernel.memory.processor.readU64(address);
      } catch (error) {
        if (!(error instanceof PageFault)) throw error;
        const rip = thread.siteAddress(site);
        if (thread.processor!.irql >= DISPATCH_LEVEL || !this.#kernel.pageable.isAbsent(address))
          return pageFault(this.#kernel, thread, error, rip);
        yield* hardFault(this.#kernel, this, thread, error, rip);
      }
    }
  }

  /** Queues a deferred procedure call. The thread's processor is interrupted for it at once. */
  *keInsertQueueDpc(thread: Thread, deferred: KernelFunction, body: () => Routine): Routine {
    const path = ["KiRetireDpcList", "KiExecuteAllDpcs"];
    thread.enter(this.#nt("KeInsertQueueDpc"));
    thread.trap(this.#nt("KiDpcInterrupt"), { errorCode: 0, address: 0n, rip: thread.rip });
    const irql = this.#setIrql(thread, DISPATCH_LEVEL);
    for (const name of path) thread.enter(this.#nt(name));
    yield* thread.callWaiting(deferred, [], body, "DeferredRoutine");
    for (const _ of path) thread.leave();
    this.#setIrql(thread, irql);
    thread.returnFromTrap();
    thread.leave();
  }

  /** An instruction of the current function that asks a device, again and again, what it never answers. */
  pollForever(thread: Thread, site: string): Routine<never> {
    return overstay(this.#kernel, thread, thread.siteAddress(site));
  }

  /** Puts the thread where one stands that waits for an object which is never signalled. */
  enterWait(thread: Thread): void {
    for (const name of ["KeWaitForSingleObject", "KiCommitThreadWait", "KiSwapThread", "KiSwapContext"])
      thread.enter(this.#nt(name), [thread.object]);
  }

  /** Raises the IRQL of the thread's processor and tells what it was. */
  kfRaiseIrql(thread: Thread, irql: number): number {
    return thread.call(this.#nt("KfRaiseIrql"), [BigInt(irql)], () => {
      this.#kernel.forcedIrql?.raising(thread, irql);
      return this.#setIrql(thread, irql);
    });
  }

  /** Back to the IRQL that was in force before it was raised. */
  keLowerIrql(thread: Thread, irql: number): void {
    thread.call(this.#nt("KeLowerIrql"), [BigInt(irql)], () => this.#setIrql(thread, irql));
  }

  /** An instruction of the current function that reads memory: its place is the site. */
  load(thread: Thread, site: string, address: bigint): bigint {
    return this.#access(thread, site, address, () => this.#kernel.memory.processor.readU64(address));
  }

  /** An instruction of the current function that writes memory. */
  store(thread: Thread, site: string, address: bigint, value: bigint): void {
    this.#access(thread, site, address, () => this.#kernel.memory.processor.writeU64(address, value));
  }

  /** An instruction of the current function that writes the same byte so many times. */
  fill(thread: Thread, site: string, address: bigint, bytes: number, value: number): void {
    thread.setRegister("rdi", address);
    this.#access(thread, site, BigInt(bytes), () =>
      this.#kernel.memory.processor.write(address, new Uint8Array(bytes).fill(value)),
    );
  }

  /** Has the kernel copy a block: its own instruction reads it. */
  memmove(thread: Thread, source: bigint): bigint {
    return thread.call(this.#nt("memmove"), [source], () => this.load(thread, "ReadSource", source));
  }

  /**
   * Calls a function of the driver's own. Where the stack has no room for the return address, the guest stops; the function may save one register
   * at most, or the push of another could be what finds no room.
   */
  callOwn<T>(thread: Thread, target: KernelFunction, values: readonly bigint[], body: () => T): T {
    const { rsp } = thread;
    try {
      thread.enter(target, values);
    } catch (error) {
      if (!(error instanceof PageFault)) throw error;
      thread.setRegister("rsp", rsp);
      return doubleFault(this.#kernel, thread, thread.siteAddress(target.code.name) - CALL_BYTES);
    }
    const result = body();
    thread.leave();
    return result;
  }

  /** Code of the current function that puts a LIST_ENTRY at the end of a list. */
  insertTailList(thread: Thread, site: string, head: bigint, entry: bigint): void {
    this.#access(thread, site, head, () => this.#kernel.memory.insertTail(head, entry));
  }

  /** Code of the current function that takes a LIST_ENTRY off its list; where its neighbours do not know it, the function gives up. */
  removeEntryList(thread: Thread, sites: { readonly read: string; readonly giveUp: string }, entry: bigint): void {
    const { memory } = this.#kernel;
    const isWhole = this.#access(thread, sites.read, entry, () => {
      const [flink, blink] = [memory.processor.readU64(entry), memory.processor.readU64(entry + 8n)];
      thread.setRegister("rax", flink);
      thread.setRegister("rdx", blink);
      return memory.processor.readU64(flink + 8n) === entry && memory.processor.readU64(blink) === entry;
    });
    if (!isWhole) fastFail(this.#kernel, thread, FAST_FAIL.corruptListEntry, thread.siteAddress(sites.giveUp));
    memory.removeEntry(entry);
  }

  /** @param rcx what the instruction finds in that register */
  #access<T>(thread: Thread, site: string, rcx: bigint, access: () => T): T {
    thread.setRegister("rcx", rcx);
    try {
      return access();
    } catch (error) {
      const rip = thread.siteAddress(site);
      if (error instanceof PageFault) return pageFault(this.#kernel, thread, error, rip);
      if (error instanceof GeneralProtectionFault) return generalProtection(this.#kernel, thread, rip);
      throw error;
    }
  }

  #setIrql({ processor }: Thread, irql: number): number {
    const old = processor!.irql;
    processor!.irql = irql;
    processor!.virtual.registers.cr8 = BigInt(irql);
    return old;
  }

  *#systemThread(thread: Thread, start: KernelFunction, routine: (thread: Thread) => Routine): Routine {
    thread.enter(this.#nt("KiStartSystemThread"));
    thread.enter(this.#nt("PspSystemThreadStartup"), [start.address], "SystemRoutine");
    yield* thread.callWaiting(start, [], () => routine(thread), "StartRoutine");
    thread.enter(this.#nt("PsTerminateSystemThread"));
    thread.enter(this.#nt("KiSwapThread"));
    thread.enter(this.#nt("KiSwapContext"));
  }

  #nt(name: string): KernelFunction {
    let found = this.#functions.get(name);
    if (!found) {
      found = this.#kernel.images.find(`nt!${name}`);
      this.#functions.set(name, found);
    }
    return found;
  }
}
