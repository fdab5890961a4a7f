import { PAGE_SIZE } from "../../binary/index.ts";
import { contextX64, eprocess, ethread, kpcr, kprcb } from "../../dumpfile/index.ts";
import type { VirtualProcessor } from "../../hypervisor/index.ts";
import { PageTables } from "../memory/page-tables.ts";
import { PASSIVE_LEVEL, type Processor } from "../threads/processor.ts";
import { THREAD_STATE, Thread } from "../threads/thread.ts";
import { DUMP_HEADER_PAGES } from "./dump-header.ts";
import type { Kernel } from "./kernel.ts";

const STACK_PAGES = 6; // 24 KiB, as Windows gives a kernel thread
/** Between two stacks lies a page that is not mapped. */
const STACK_SLOT_PAGES = STACK_PAGES + 2;

/** Process-context identifiers have 12 bits; 0 is System's. */
const LAST_PCID = 0xfff;

const OBJECT_TYPE = { process: 3, thread: 6 } as const;
const at = (field: { readonly offset: number }) => BigInt(field.offset);

/** A process as the kernel knows it. */
export interface Process {
  /** Address of the EPROCESS. */
  readonly object: bigint;
  readonly id: number;
  readonly name: string;
  readonly tables: PageTables;
}

/** Processes and threads: EPROCESS and ETHREAD objects in nonpaged pool, in the lists that debuggers follow. */
export class ProcessTable {
  readonly idle: Process;
  readonly system: Process;
  readonly #kernel: Kernel;
  readonly #byObject = new Map<bigint, Process>();
  #stacks = 0;
  #nextId = 8;
  #lastPcid = 0;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
    kernel.memory.initializeList(kernel.variable("PsActiveProcessHead"));
    this.idle = this.#create("Idle", 0, 0, kernel.tables);
    this.system = this.#create("System", 4, 0, kernel.tables);
    this.#list(this.system);
    const { processor } = kernel.memory;
    processor.writeU64(kernel.variable("PsInitialSystemProcess"), this.system.object);
    processor.writeU64(kernel.variable("PsIdleProcess"), this.idle.object);
  }

  /** A process of its own address space; its kernel half is everyone's. */
  create(name: string, parent: number): Process {
    const { partition, frames, layout, tables } = this.#kernel;
    const id = this.#takeId();
    const own = new PageTables(partition, frames, layout.selfMapIndex, this.#takePcid());
    own.shareKernelHalf(tables, layout.selfMapIndex);
    const process = this.#create(name, id, parent, own);
    this.#list(process);
    return process;
  }

  /** The process that has this EPROCESS. */
  of(object: bigint): Process {
    return this.#byObject.get(object)!;
  }

  withId(id: number): Process {
    return [...this.#byObject.values()].find((process) => process.id === id)!;
  }

  /** Takes a process that has ended off the list. Its object, and the tables that its root leads to, stay: somebody has a handle to it. */
  end({ object }: Process): void {
    this.#kernel.memory.removeEntry(object + at(eprocess.fields.activeProcessLinks));
    this.#byObject.delete(object);
  }

  /** A thread that does not run yet, with a stack of its own. */
  createThread(process: Process, startAddress: bigint): Thread {
    const { memory, systemTime } = this.#kernel;
    const { stackLimit, stackBase } = this.#createStack();
    const object = this.#kernel.allocate(ethread.size, "Thre");
    const id = process.id === 0 ? 0 : this.#takeId();
    const { directoryTableBase } = process.tables;
    const thread = new Thread(
      { object, id, process: process.object, directoryTableBase, stackBase, stackLimit },
      memory,
    );
    memory.put(ethread, object, {
      headerType: OBJECT_TYPE.thread,
      initialStack: thread.rsp,
      stackLimit,
      stackBase,
      kernelStack: thread.rsp,
      apcStateProcess: process.object,
      process: process.object,
      state: THREAD_STATE.initialized,
      createTime: systemTime,
      startAddress,
      uniqueProcess: BigInt(process.id),
      uniqueThread: BigInt(id),
      win32StartAddress: startAddress,
    });
    memory.insertTail(
      process.object + at(eprocess.fields.pcbThreadListHead),
      object + at(ethread.fields.tcbThreadListEntry),
    );
    memory.insertTail(process.object + at(eprocess.fields.threadListHead), object + at(ethread.fields.threadListEntry));
    const active = process.object + at(eprocess.fields.activeThreads);
    memory.processor.writeU32(active, memory.processor.readU32(active) + 1);
    return thread;
  }

  /** Gives every processor its KPCR and its idle thread. */
  startProcessors(virtual: readonly VirtualProcessor[]): Processor[] {
    return virtual.map((one, index) => this.#startProcessor(one, index));
  }

  #startProcessor(virtual: VirtualProcessor, index: number): Processor {
    const { layout, memory, images } = this.#kernel;
    const pages = Math.ceil(kpcr.size / PAGE_SIZE);
    const controlRegion = layout.processorBlocks + BigInt((DUMP_HEADER_PAGES + 1 + index * (pages + 1)) * PAGE_SIZE);
    this.#kernel.mapNew(controlRegion, pages);
    const controlBlock = controlRegion + at(kpcr.fields.prcb);
    const context = this.#kernel.allocate(contextX64.size, "KiCx");
    memory.processor = virtual;
    const idle = this.createThread(this.idle, images.find("nt!KiIdleLoop").address);
    for (const name of ["nt!KiSystemStartup", "nt!KiIdleLoop", "nt!PoIdle", "hal!HalProcessorIdle"])
      idle.enter(images.find(name));
    memory.put(kpcr, controlRegion, {
      self: controlRegion,
      currentPrcb: controlBlock,
      irql: PASSIVE_LEVEL,
      majorVersion: 1,
      minorVersion: 1,
    });
    memory.put(kprcb, controlBlock, {
      mxCsr: 0x1f80,
      legacyNumber: index,
      currentThread: idle.object,
      idleThread: idle.object,
      number: index,
      rspBase: idle.stackBase,
      cpuType: 6,
      mhz: 2400,
      context,
    });
    memory.processor.writeU8(idle.object + at(ethread.fields.state), THREAD_STATE.running);
    memory.processor.writeU32(idle.object + at(ethread.fields.nextProcessor), index);
    memory.processor.writeU64(this.#kernel.variable("KiProcessorBlock") + BigInt(8 * index), controlBlock);
    const processor: Processor = {
      index,
      virtual,
      controlRegion,
      controlBlock,
      context,
      doubleFaultStack: this.#createStack().stackBase,
      idle,
      current: idle,
      irql: PASSIVE_LEVEL,
    };
    idle.processor = processor;
    return processor;
  }

  #createStack(): { readonly stackLimit: bigint; readonly stackBase: bigint } {
    const { layout } = this.#kernel;
    const stackLimit = layout.kernelStacks + BigInt((this.#stacks++ * STACK_SLOT_PAGES + 1) * PAGE_SIZE);
    this.#kernel.mapNew(stackLimit, STACK_PAGES);
    return { stackLimit, stackBase: stackLimit + BigInt(STACK_PAGES * PAGE_SIZE) };
  }

  #create(name: string, id: number, parent: number, tables: PageTables): Process {
    const { memory, systemTime } = this.#kernel;
    const object = this.#kernel.allocate(eprocess.size, "Proc");
    memory.put(eprocess, object, {
      headerType: OBJECT_TYPE.process,
      directoryTableBase: tables.directoryTableBase,
      uniqueProcessId: BigInt(id),
      createTime: systemTime,
      inheritedFromUniqueProcessId: BigInt(parent),
      imageFileName: name,
    });
    memory.initializeList(object + at(eprocess.fields.pcbThreadListHead));
    memory.initializeList(object + at(eprocess.fields.threadListHead));
    const process = { object, id, name, tables };
    this.#byObject.set(object, process);
    return process;
  }

  #list({ object }: Process): void {
    const { memory } = this.#kernel;
    memory.insertTail(this.#kernel.variable("PsActiveProcessHead"), object + at(eprocess.fields.activeProcessLinks));
  }

  /** There is one identifier for each process, also for those that have ended: the kernel never has to take one from another. */
  #takePcid(): number {
    if (this.#lastPcid === LAST_PCID) throw new Error(`a kernel has at most ${LAST_PCID} processes`);
    return ++this.#lastPcid;
  }

  #takeId(): number {
    const id = this.#nextId;
    this.#nextId += 4;
    return id;
  }
}
