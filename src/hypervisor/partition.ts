import { PAGE_SIZE, type PageRun, StopcodeError } from "../binary/index.ts";
import { addedUp } from "./counts.ts";
import { type CrashNotification, CrashRegisters } from "./crash-registers.ts";
import { MAX_PHYSICAL_ADDRESS_BITS } from "./frame-map.ts";
import { GuestPhysicalMemory } from "./guest-memory.ts";
import type { HostMemory } from "./host-memory.ts";
import { LargePages } from "./large-pages/index.ts";
import { runsOf } from "./page-runs.ts";
import type { EngineKind } from "./translation/engine.ts";
import type { FlushHypercalls, FlushListResult, FlushStatus, FlushTarget } from "./translation/flush-target.ts";
import { ProcessorFlushes } from "./translation/processor-flushes.ts";
import { FlushCalls, ShadowPageTables } from "./translation/shadow/index.ts";
import { type Execution, VirtualProcessor } from "./virtual-processor.ts";

/** Bytes of the store that survives a reset. */
export const NON_VOLATILE_BYTES = 8192;

/** Characters of console text that are kept: the newest. */
export const CONSOLE_CHARACTERS = 2 ** 20;

const MOST_PROCESSORS = 64;
/** More than any operating system keeps ready for its dumper. */
const MOST_NOTE_BYTES = 65_536;

export type PartitionRunState = "running" | "suspended" | "crashed" | "destroyed";

/** May read all of the host's physical memory: the right of whoever makes dumps. */
export type PartitionRight = "all-physical-memory";

export interface PartitionOptions {
  readonly name: string;
  readonly memoryBytes: number;
  readonly processors: number;
  readonly rights?: PartitionRight;
  /** How its processors translate; `walk` when left out. */
  readonly engine?: EngineKind;
}

/**
 * A virtual machine: memory, processors, and what the guest in it tells its host.
 *
 * Only a running partition executes: in any other state its processors and its hypercalls (`appendConsole`,
 * `writeCrash…`, `markPrivate`, `unmarkPrivate`, `registerCrashNote`, `flush…`) throw StopcodeError `hypervisor/not-running`.
 */
export class Partition implements Execution {
  readonly name: string;
  readonly rights: PartitionRight | null;
  readonly engine: EngineKind;
  /** What its processors share, where their engine is `shadow`. */
  readonly shadowTables: ShadowPageTables | null;
  readonly memory: GuestPhysicalMemory;
  readonly processors: readonly VirtualProcessor[];
  /** Survives a reset, as a battery-backed store does; the guest reads and writes it freely. */
  readonly nonVolatile = new Uint8Array(NON_VOLATILE_BYTES);

  #state: PartitionRunState = "running";
  #console = "";
  #crashNote: { gpa: number; bytes: number } | null = null;
  readonly #crash = new CrashRegisters();
  readonly #resetListeners: (() => void)[] = [];
  readonly #privatePages: Uint8Array;
  readonly #flushes: FlushHypercalls;
  #mapChanges = 0;

  /** Partitions are made by `Hypervisor.createPartition`. */
  constructor(host: HostMemory, options: PartitionOptions) {
    const { name, processors } = options;
    if (!Number.isInteger(processors) || processors < 1 || processors > MOST_PROCESSORS)
      throw new StopcodeError(
        "hypervisor/processors",
        `partition ${name} is to have 1 to ${MOST_PROCESSORS} processors, not ${processors}`,
      );
    this.name = name;
    this.rights = options.rights ?? null;
    this.engine = options.engine ?? "walk";
    this.memory = new GuestPhysicalMemory(host, options.memoryBytes);
    this.shadowTables =
      this.engine === "shadow"
        ? new ShadowPageTables({ frames: this.memory, processors, writes: host.tableWrites })
        : null;
    this.#privatePages = new Uint8Array(this.memory.pages);
    this.processors = Array.from({ length: processors }, (_, index) => new VirtualProcessor(index, this, host));
    this.#flushes =
      this.shadowTables === null
        ? new ProcessorFlushes(this.processors)
        : new FlushCalls(this.shadowTables, MAX_PHYSICAL_ADDRESS_BITS);
    this.memory.onMapChange((firstPage, pageCount) => {
      this.#mapChanges++;
      for (const processor of this.processors) processor.guestMapChanged(firstPage, pageCount);
    });
  }

  get state(): PartitionRunState {
    return this.#state;
  }

  /** @throws StopcodeError `hypervisor/not-running` */
  mustRun(): void {
    if (this.#state !== "running")
      throw new StopcodeError(
        "hypervisor/not-running",
        `partition ${this.name} is ${this.#state} and executes nothing`,
      );
  }

  /** Stops a running partition between two accesses; one that crashed or is suspended stays what it is. */
  suspend(): void {
    this.#mustExist();
    if (this.#state !== "running") return;
    this.synchronizeFlags();
    this.#state = "suspended";
  }

  /** @throws StopcodeError `hypervisor/crashed` for a partition that only a reset can start again */
  resume(): void {
    this.#mustExist();
    if (this.#state === "crashed")
      throw new StopcodeError("hypervisor/crashed", `partition ${this.name} has crashed and cannot go on`, {
        hint: "reset it",
      });
    this.#state = "running";
  }

  /**
   * Back to power-on: memory zeroed, processors reset, console, crash and private marks forgotten; it runs again.
   * Name, processors, memory size and the non-volatile store stay.
   */
  reset(): void {
    this.#mustExist();
    for (const listener of this.#resetListeners) listener();
    // First the processors: what their translations still owe the page tables must not be written to cleared memory.
    this.synchronizeFlags();
    for (const processor of this.processors) processor.reset();
    this.memory.clear();
    this.#privatePages.fill(0);
    this.#crash.reset();
    this.#crashNote = null;
    this.#console = "";
    this.#state = "running";
  }

  /** From now on, tells before a reset: what others have under way in this memory has to end first. */
  beforeReset(listener: () => void): void {
    this.#resetListeners.push(listener);
  }

  /** Gives all memory back, zeroed. Called by `Hypervisor.destroy`, which also forgets the partition. */
  destroy(): void {
    this.memory.release();
    this.nonVolatile.fill(0);
    this.#state = "destroyed";
  }

  /** Accesses that all processors have executed. */
  get accesses(): number {
    return this.processors.reduce((sum, processor) => sum + processor.accesses, 0);
  }

  /** What the guest printed since the last reset; the newest 2^20 characters of it. */
  get console(): string {
    return this.#console.slice(-CONSOLE_CHARACTERS);
  }

  appendConsole(text: string): void {
    this.mustRun();
    this.#console += text;
    if (this.#console.length > 2 * CONSOLE_CHARACTERS) this.#console = this.#console.slice(-CONSOLE_CHARACTERS);
  }

  /** What the guest told with the crash registers; null while it has not crashed. */
  get crash(): CrashNotification | null {
    return this.#crash.notification;
  }

  /** Crash parameter P0 to P4 (MSR 0x40000100 + index). After the notification it is ignored. */
  writeCrashParameter(index: number, value: bigint): void {
    if (this.#state === "crashed") return;
    this.mustRun();
    this.#crash.writeParameter(index, value);
  }

  /**
   * The crash control register (MSR 0x40000105). The first write with the notify bit stops the partition at once: what
   * the guest wants known has to be in place before. Any later one is ignored.
   */
  writeCrashControl(value: bigint): void {
    if (this.#state === "crashed") return;
    this.mustRun();
    if (!this.#crash.writeControl(value, this.memory)) return;
    this.synchronizeFlags();
    this.#state = "crashed";
  }

  /** Brings the accessed and dirty flags in the guest's page tables up to date: whoever reads its memory is to see them. */
  synchronizeFlags(): void {
    for (const processor of this.processors) processor.synchronizeFlags();
  }

  /**
   * HvCallFlushVirtualAddressSpace: when it returns, no processor it names translates with what it was to forget.
   * `inhibited` while one of them may not be flushed (`inhibitFlushes`): the guest calls again.
   */
  flushAddressSpace(target: FlushTarget): FlushStatus {
    this.mustRun();
    return this.#flushes.flushAddressSpace(target);
  }

  /** HvCallFlushVirtualAddressList: the same for pages. Each entry is a linear address whose low 12 bits say how many pages more. */
  flushAddressList(target: FlushTarget, list: readonly bigint[]): FlushListResult {
    this.mustRun();
    return this.#flushes.flushAddressList(target, list);
  }

  /**
   * A processor's flush inhibition, which is the parent's to set: while it completes an instruction for the processor, no flush
   * hypercall that names it is carried out.
   */
  inhibitFlushes(processor: number, on: boolean): void {
    this.#mustExist();
    if (this.processors[processor] === undefined)
      throw new StopcodeError(
        "hypervisor/processors",
        `partition ${this.name} has processors 0 to ${this.processors.length - 1}, not ${processor}`,
      );
    this.#flushes.inhibition.set(processor, on);
  }

  /** What has happened in this partition so far, by the names of systems.md 1.2 where they have one. */
  counters(): Record<string, number> {
    const { processors, shadowTables } = this;
    const { large, small } = new LargePages(this.memory.map).sizes();
    return {
      ...addedUp([
        ...(shadowTables === null ? [] : [shadowTables.counters()]),
        this.#flushes.counters(),
        ...processors.map((processor) => processor.translationCounters()),
      ]),
      guestAccesses: this.accesses,
      reflectedGuestPageFaults: processors.reduce((sum, { pageFaults }) => sum + pageFaults, 0),
      gpaPages2M: large,
      gpaPages4K: small,
      gpaSpaceModifications: this.#mapChanges,
    };
  }

  /** Marks guest frames as private: their content is for the partition's owner only. */
  markPrivate(firstPage: number, pageCount: number): void {
    this.#setPrivate(firstPage, pageCount, 1);
  }

  unmarkPrivate(firstPage: number, pageCount: number): void {
    this.#setPrivate(firstPage, pageCount, 0);
  }

  /** Private guest frames, ascending, merged. */
  privateRuns(): readonly PageRun[] {
    return runsOf(this.memory.pages, (page) => this.#privatePages[page] === 1);
  }

  /** Says where the guest keeps the note it fills when it crashes (for Windows the 8 KiB dump header). */
  registerCrashNote(gpa: number, bytes: number): void {
    this.mustRun();
    const limit = this.memory.pages * PAGE_SIZE;
    if (!(Number.isInteger(gpa) && gpa >= 0 && Number.isInteger(bytes) && bytes > 0 && gpa + bytes <= limit))
      throw new StopcodeError("hypervisor/crash-note", `the crash note is to lie in the partition's ${limit} bytes`);
    if (bytes > MOST_NOTE_BYTES)
      throw new StopcodeError(
        "hypervisor/crash-note",
        `a crash note has at most ${MOST_NOTE_BYTES} bytes, not ${bytes}`,
      );
    this.#crashNote = { gpa, bytes };
  }

  /** A copy of the crash note as it stands; null where none was registered. */
  crashNote(): Uint8Array | null {
    return this.#crashNote === null ? null : this.memory.read(this.#crashNote.gpa, this.#crashNote.bytes);
  }

  #setPrivate(firstPage: number, pageCount: number, mark: 0 | 1): void {
    this.mustRun();
    const { pages } = this.memory;
    if (!(Number.isInteger(firstPage) && firstPage >= 0 && Number.isInteger(pageCount) && pageCount >= 0))
      throw new StopcodeError("hypervisor/page-range", `${firstPage} and ${pageCount} are no run of pages`);
    if (firstPage + pageCount > pages)
      throw new StopcodeError(
        "hypervisor/page-range",
        `pages ${firstPage} to ${firstPage + pageCount - 1} are not all among the partition's ${pages}`,
      );
    this.#privatePages.fill(mark, firstPage, firstPage + pageCount);
  }

  #mustExist(): void {
    if (this.#state === "destroyed")
      throw new StopcodeError("hypervisor/destroyed", `partition ${this.name} has been destroyed`);
  }
}
