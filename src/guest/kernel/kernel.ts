import type { Random } from "../../binary/index.ts";
import { PAGE_SIZE } from "../../binary/index.ts";
import {
  type KernelCheck,
  systemTime as ksystemTime,
  POOL_TRACKING_EXPORT,
  USER_SHARED_DATA_ADDRESS,
  userSharedData,
} from "../../dumpfile/index.ts";
import { type GuestPhysicalMemory, PageFault, type Partition } from "../../hypervisor/index.ts";
import type { ArmedKernelCheck } from "../checks/armed-checks.ts";
import { CheckRecords } from "../checks/check-records.ts";
import { DmaRemapping } from "../checks/dma-remapping.ts";
import { ForcedIrql } from "../checks/forced-irql.ts";
import { LOCK_RECORD_BYTES, LockRecords } from "../checks/lock-records.ts";
import { MappingRecords, mappingRecordBytes } from "../checks/mapping-records.ts";
import { DeviceStacks } from "../drivers/device-stacks.ts";
import { PowerRequests } from "../drivers/power-requests.ts";
import { GuestStopped, publishRegisters } from "../faults/bug-check.ts";
import { Harm } from "../faults/harm.ts";
import { errorRecordHeader } from "../faults/machine-check.ts";
import { pageFault } from "../faults/page-fault.ts";
import { watchingOwnPool } from "../faults/pool-stop.ts";
import type { SectionAccess } from "../image/image-declaration.ts";
import { Images, type LoadedImage } from "../image/loaded-image.ts";
import { type AddressLayout, drawAddressLayout } from "../memory/address-layout.ts";
import { KernelMemory } from "../memory/kernel-memory.ts";
import { OutOfPageFrames, PageFrames, pageFrame } from "../memory/page-frames.ts";
import { PAGE_KIND } from "../memory/page-table-entry.ts";
import { PageTables } from "../memory/page-tables.ts";
import { PageableMemory } from "../memory/pageable-memory.ts";
import { Pool, type PoolKind, poolTag } from "../memory/pool.ts";
import { PoolTracking, poolTrackingPages } from "../memory/pool-tracking.ts";
import { SpecialPool, specialPoolTableBytes } from "../memory/special-pool.ts";
import { SystemPtes } from "../memory/system-ptes.ts";
import type { CrashDumpStack } from "../storage/crash-dump-stack.ts";
import type { PageFileDevice } from "../storage/page-file-device.ts";
import { Dispatcher } from "../threads/dispatcher.ts";
import { KernelStacks } from "../threads/kernel-stacks.ts";
import type { Processor } from "../threads/processor.ts";
import { CLOCK_INTERVAL_SECONDS, TICKS_PER_SECOND, VirtualClock } from "../threads/virtual-clock.ts";
import { fillDebuggerBlock } from "./debugger-block.ts";
import { DUMP_HEADER_PAGES, prepareDumpHeader } from "./dump-header.ts";
import { ModuleList } from "./module-list.ts";
import { hal, ntoskrnl } from "./ntoskrnl.ts";
import { PendingCalls } from "./pending-calls.ts";
import { ProcessTable } from "./process-table.ts";
import { startProcessor } from "./processor-block.ts";
import { fillSharedData, fillVariables } from "./system-variables.ts";
import { WorkQueue } from "./work-queue.ts";

/** What a kernel is started with. */
export interface KernelOptions {
  readonly partition: Partition;
  /** Which start of the partition this is, from 1. */
  readonly boot: number;
  /** Chance of this boot: addresses, jitter. */
  readonly random: Random;
  /** MOST_SYSTEM_PTES at most. */
  readonly systemPtes: number;
  /** FILETIME of the start: 100 ns since 1601. */
  readonly startedAt: bigint;
  /** Checks that are on from the first driver on. */
  readonly armed: readonly ArmedKernelCheck[];
  /** Where pageable memory goes when it is not used; null: it stays. */
  readonly pageFile: PageFileDevice | null;
}

/** Pageable memory lies so far behind the start of paged pool, in the same entry of the root. */
const PAGEABLE_DISTANCE = 0x10_0000_0000n;

/** Special pool lies so far behind the start of nonpaged pool, in the same entry of the root. */
const SPECIAL_POOL_DISTANCE = 0x10_0000_0000n;

/** Below the first MiB nothing is allocated: a real machine has firmware there. */
const FIRST_FREE_FRAME = 0x100;

/**
 * A guest kernel, from its first page table to the point where drivers can be loaded. It is a model of behaviour: no
 * instruction is emulated, but all its state lies in the guest's memory, in the structures that Windows 10 build 19041 has.
 */
export class Kernel {
  readonly partition: Partition;
  readonly boot: number;
  readonly random: Random;
  readonly startedAt: bigint;
  readonly physical: GuestPhysicalMemory;
  readonly layout: AddressLayout;
  readonly frames: PageFrames;
  /** The System process's page tables; their upper half is everyone's. */
  readonly tables: PageTables;
  readonly memory: KernelMemory;
  readonly clock = new VirtualClock();
  readonly images: Images;
  readonly nt: LoadedImage;
  readonly nonPagedPool: Pool;
  readonly pagedPool: Pool;
  /** Null unless it is armed. */
  readonly specialPool: SpecialPool | null;
  /** Null unless it is armed. */
  readonly poolTracking: PoolTracking | null;
  readonly systemPtes: SystemPtes;
  /** Null unless locked pages are tracked. */
  readonly locks: LockRecords | null;
  /** Null unless PTE misuse is checked for. */
  readonly mappings: MappingRecords | null;
  /** Null unless it is armed. */
  readonly dmaRemapping: DmaRemapping | null;
  readonly pageable: PageableMemory;
  /** Null unless it is armed. */
  readonly forcedIrql: ForcedIrql | null;
  readonly pageFile: PageFileDevice | null;
  /** What writes a dump of this kernel by itself; null before its drivers are loaded, and where none is wanted. */
  crashDump: CrashDumpStack | null = null;
  readonly checks: CheckRecords;
  /** Pool tag of the block before the damage that a pool has met; 0: none has. */
  damagedTag = 0;
  readonly modules: ModuleList;
  readonly devices: DeviceStacks;
  readonly power: PowerRequests;
  readonly processes: ProcessTable;
  readonly processors: readonly Processor[];
  readonly dispatcher: Dispatcher;
  readonly stacks: KernelStacks;
  readonly work: WorkQueue;
  readonly pending: PendingCalls;
  /** Address of the DUMP_HEADER64 that is kept ready. */
  readonly dumpHeader: bigint;
  /** Where hardware that fails leaves its error record. */
  readonly errorRecord: bigint;
  readonly harm = new Harm(this.clock, () => this.specialPool);
  /** Page frames of what processes work on, by process. */
  readonly workedOn: (() => readonly number[])[] = [];

  /** @throws OutOfPageFrames when the partition's memory does not hold the kernel */
  constructor(options: KernelOptions) {
    const { partition, random } = options;
    this.partition = partition;
    this.boot = options.boot;
    this.random = random;
    this.startedAt = options.startedAt;
    this.physical = partition.memory;
    this.layout = drawAddressLayout(random);
    this.frames = new PageFrames(this.physical, FIRST_FREE_FRAME);
    const headerFrame = this.frames.takeEarly(DUMP_HEADER_PAGES);
    this.tables = new PageTables(partition, this.frames, this.layout.selfMapIndex);
    this.memory = new KernelMemory(partition.processors[0]!);
    for (const processor of partition.processors) startProcessor(processor, this.tables);

    this.mapNew(USER_SHARED_DATA_ADDRESS, 1);
    const databasePages = Math.ceil((this.physical.pages * pageFrame.size) / PAGE_SIZE);
    const databaseFrame = this.frames.takeEarly(databasePages);
    this.#mapFrames(this.layout.pfnDatabase, databaseFrame, databasePages);
    this.dumpHeader = this.layout.processorBlocks;
    this.#mapFrames(this.dumpHeader, headerFrame, DUMP_HEADER_PAGES);

    this.images = new Images(
      { mapPage: (address, content, access) => this.#mapImagePage(address, content, access) },
      this.layout.images,
    );
    [this.nt] = this.images.loadTogether([ntoskrnl, hal]) as [LoadedImage, LoadedImage];
    this.frames.buildFreeList(databaseFrame * PAGE_SIZE, this.tables.translate(this.variable("MmFreePageListHead"))!);

    this.nonPagedPool = this.#pool("nonpaged", {
      start: this.layout.nonPagedPool,
      descriptor: this.variable("MiNonPagedPool"),
      protectsFreed: options.armed.some(({ check }) => check === "protect-freed-pool"),
    });
    this.pagedPool = this.#pool("paged", {
      start: this.layout.pagedPool,
      descriptor: this.variable("MiPagedPool"),
      protectsFreed: false,
    });
    this.systemPtes = new SystemPtes(
      {
        start: this.layout.systemPtes,
        total: options.systemPtes,
        variable: this.variable("MiSystemPteBitmap"),
        bitmap: this.nonPagedPool.allocatePages(1),
      },
      this.memory,
      this.physical,
      this.tables,
    );
    this.pageFile = options.pageFile;
    this.pageable = new PageableMemory(
      this.layout.pagedPool + PAGEABLE_DISTANCE,
      this.tables,
      this.frames,
      this.physical,
      options.pageFile,
    );
    const allocatePages = (bytes: number) => this.nonPagedPool.allocatePages(Math.ceil(bytes / PAGE_SIZE));
    this.checks = new CheckRecords(
      this.variable("LabCheckRecords"),
      options.armed,
      this.memory,
      this.systemPtes,
      allocatePages,
    );
    const isArmed = (wanted: KernelCheck) => options.armed.some(({ check }) => check === wanted);
    const atStart = isArmed("special-pool-start");
    this.specialPool = isArmed("special-pool") || atStart ? this.#specialPool(allocatePages, atStart) : null;
    this.forcedIrql = isArmed("force-irql") ? new ForcedIrql(this) : null;
    this.poolTracking = isArmed("pool-tracking") ? this.#poolTracking() : null;
    this.locks = isArmed("locked-page-tracking")
      ? new LockRecords(allocatePages(LOCK_RECORD_BYTES), this.memory)
      : null;
    this.mappings = isArmed("pte-misuse")
      ? new MappingRecords(allocatePages(mappingRecordBytes(this.systemPtes.total)), this.memory, this.systemPtes)
      : null;
    this.dmaRemapping = isArmed("dma-remapping") ? new DmaRemapping(this, allocatePages) : null;
    this.modules = new ModuleList(this);
    this.devices = new DeviceStacks(this);
    this.power = new PowerRequests(this);
    this.processes = new ProcessTable(this);
    this.errorRecord = this.allocate(errorRecordHeader.size, "Whea");
    this.processors = this.processes.startProcessors(partition.processors);
    this.dispatcher = new Dispatcher(this.clock, this.memory, this.processors);
    this.stacks = new KernelStacks(this.pageable, this.clock, this.memory);
    this.work = new WorkQueue(this);
    this.pending = new PendingCalls(this);
    for (const image of this.images.loaded) this.modules.add(image);
    fillVariables(this);
    fillSharedData(this);
    fillDebuggerBlock(this);
    prepareDumpHeader(this);
    partition.registerCrashNote(headerFrame * PAGE_SIZE, DUMP_HEADER_PAGES * PAGE_SIZE);
    this.#clockInterrupt();
  }

  /** Address of a variable of ntoskrnl. */
  variable(name: string): bigint {
    const rva = this.nt.built.data.get(name);
    if (rva === undefined) throw new Error(`ntoskrnl has no variable ${name}`);
    return this.nt.base + BigInt(rva);
  }

  /** FILETIME of now. */
  get systemTime(): bigint {
    return this.startedAt + BigInt(this.clock.now);
  }

  /** Seconds since the start. */
  get seconds(): number {
    return this.clock.now / TICKS_PER_SECOND;
  }

  /** A line on the console, with the seconds since the start. */
  print(text: string): void {
    this.partition.appendConsole(`[${this.seconds.toFixed(6).padStart(12)}] ${text}\r\n`);
  }

  /**
   * Lets the next event happen. A guest that stopped has done so in here: see `partition.state`. A page fault that no service has taken is that
   * of the kernel's own instruction: something has changed what it goes by.
   * @throws OutOfPageFrames when drivers use more memory than the partition has
   */
  step(): void {
    try {
      this.clock.step();
    } catch (error) {
      if (error instanceof PageFault) this.#ownPageFault(error);
      else if (!(error instanceof GuestStopped)) throw error;
    }
  }

  #ownPageFault(fault: PageFault): void {
    const thread = this.processors.find(({ virtual }) => virtual === this.memory.processor)!.current;
    try {
      pageFault(this, thread, fault, thread.rip);
    } catch (error) {
      if (!(error instanceof GuestStopped)) throw error;
    }
  }

  /** Puts what the processors run into their registers, for whoever looks at a partition that stands still. */
  publish(): void {
    if (this.partition.state === "crashed") return;
    for (const processor of this.processors) publishRegisters(processor, processor.current);
  }

  /** Maps new zeroed pages for the kernel's data. */
  mapNew(address: bigint, pages: number): void {
    for (let page = 0; page < pages; page++)
      this.tables.map(address + BigInt(page * PAGE_SIZE), this.frames.takeZeroed(), PAGE_KIND.kernelData);
  }

  /** Gives an image's memory back. */
  unmapImage(image: LoadedImage): void {
    for (let offset = 0; offset < image.size; offset += PAGE_SIZE) {
      const frame = this.tables.unmap(image.base + BigInt(offset));
      if (frame !== null) this.frames.give(frame);
    }
    this.images.forget(image);
  }

  /** A block of nonpaged pool for the kernel itself, zeroed. After boot, the function that runs has to be one that calls ExAllocatePoolWithTag. */
  allocate(bytes: number, tag: string): bigint {
    const address = watchingOwnPool(this, () => this.nonPagedPool.allocate(bytes, poolTag(tag)));
    if (address === 0n)
      throw new OutOfPageFrames(`nonpaged pool is used up, and the kernel needs ${bytes} bytes of it`);
    this.memory.processor.write(address, new Uint8Array(bytes));
    return address;
  }

  /** KUSER_SHARED_DATA's times, as the clock interrupt sets them. */
  updateTime(): void {
    const { processor } = this.memory;
    // KSYSTEM_TIME: the 64-bit value, then its upper half once more.
    const setTime = (offset: number, value: bigint) => {
      const address = USER_SHARED_DATA_ADDRESS + BigInt(offset);
      processor.writeU64(address, value);
      processor.writeU32(address + BigInt(ksystemTime.fields.high2Time.offset), Number(value >> 32n));
    };
    const { interruptTime, systemTime, tickCount } = userSharedData.fields;
    setTime(interruptTime.offset, BigInt(this.clock.now));
    setTime(systemTime.offset, this.systemTime);
    setTime(tickCount.offset, BigInt(Math.floor(this.seconds / CLOCK_INTERVAL_SECONDS)));
  }

  #clockInterrupt(): void {
    this.memory.processor = this.processors[0]!.virtual;
    this.updateTime();
    this.clock.after(CLOCK_INTERVAL_SECONDS * TICKS_PER_SECOND, () => this.#clockInterrupt());
  }

  #specialPool(allocatePages: (bytes: number) => bigint, atStart: boolean): SpecialPool {
    const physicalPages = this.physical.pages;
    return new SpecialPool(
      {
        start: this.layout.nonPagedPool + SPECIAL_POOL_DISTANCE,
        queue: this.variable("MiSpecialPool"),
        table: allocatePages(specialPoolTableBytes(physicalPages)),
        physicalPages,
        atStart,
      },
      this.memory,
      this.tables,
      this.frames,
    );
  }

  #poolTracking(): PoolTracking {
    const pages = poolTrackingPages(this.physical.pages);
    const table = this.nonPagedPool.allocatePages(pages);
    return new PoolTracking({ variable: this.variable(POOL_TRACKING_EXPORT), table, pages }, this.memory);
  }

  #pool(kind: PoolKind, place: ConstructorParameters<typeof Pool>[1]): Pool {
    return new Pool(kind, place, this.memory, this.tables, this.frames);
  }

  #mapFrames(address: bigint, first: number, pages: number): void {
    for (let page = 0; page < pages; page++)
      this.tables.map(address + BigInt(page * PAGE_SIZE), first + page, PAGE_KIND.kernelData);
  }

  #mapImagePage(address: bigint, content: Uint8Array, access: SectionAccess): void {
    const frame = this.frames.takeZeroed();
    this.physical.write(frame * PAGE_SIZE, content);
    const kind = { code: PAGE_KIND.kernelCode, "read-only": PAGE_KIND.kernelReadOnly, data: PAGE_KIND.kernelData }[
      access
    ];
    this.tables.map(address, frame, kind);
  }
}
