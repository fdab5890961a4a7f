import { type PhysicalMemory, StopcodeError } from "../binary/index.ts";
import { type AuditReport, auditState } from "./audit/index.ts";
import { addedUp } from "./counts.ts";
import { CrashMemory, type CrashRegion } from "./crash-region.ts";
import { ForeignMemory, WholeHostMemory } from "./foreign-memory.ts";
import { HostMemory } from "./host-memory.ts";
import { type FaultOrder, type InjectedFault, injectFault } from "./injection/index.ts";
import { Partition, type PartitionOptions } from "./partition.ts";
import { PageSharing } from "./sharing/index.ts";
import { type BugCheck, captureState, type HypervisorState } from "./state/index.ts";
import { emptyPhysicalTlb } from "./translation/physical-tlb.ts";
import { watchTranslations } from "./translation-watch.ts";

/** A dump partition only reads what others hold; its own memory is where it keeps its tables. */
const DUMP_PARTITION_BYTES = 2 ** 21;

/** The machine: its memory, the partitions in it, and who may read what of whom. */
export class Hypervisor {
  /** Pages that partitions share, and the devices' transfers to and from them. */
  readonly sharing: PageSharing;
  readonly #memory: HostMemory;
  readonly #partitions = new Map<string, Partition>();
  #dumpPartition: Partition | null = null;
  readonly #crashMemory: CrashMemory;
  #crash: BugCheck | null = null;
  #crashRegion: CrashRegion | null = null;
  readonly #crashListeners: (() => void)[] = [];
  readonly #doubtListeners: (() => void)[] = [];
  #created = 0;
  #destroyed = 0;

  /** @throws StopcodeError `hypervisor/memory-size` unless it is a whole number of pages, 4 GiB at most */
  constructor(options: { readonly memoryBytes: number }) {
    this.#memory = new HostMemory(options.memoryBytes);
    this.sharing = new PageSharing(this.#memory);
    this.#crashMemory = new CrashMemory(this.#memory);
    this.sharing.dma.beforeRun(({ frames, buffer }) => {
      for (const { shadowTables } of this.#partitions.values()) {
        shadowTables?.beforeDevice(frames);
        shadowTables?.beforeDevice(buffer);
      }
    });
    emptyPhysicalTlb();
  }

  /** In the order they were created. */
  get partitions(): readonly Partition[] {
    return [...this.#partitions.values()];
  }

  /**
   * Makes a partition with zeroed memory; it runs at once.
   * @throws StopcodeError `hypervisor/name-taken`, `hypervisor/memory-size`, `hypervisor/processors`, `hypervisor/out-of-memory`
   */
  createPartition(options: PartitionOptions): Partition {
    if (this.#partitions.has(options.name))
      throw new StopcodeError("hypervisor/name-taken", `there is a partition ${options.name} already`);
    const partition = new Partition(this.#memory, options);
    partition.memory.guardMap((first, count) => this.sharing.beforeMapChange(partition, first, count));
    partition.beforeReset(() => this.sharing.drain(partition));
    this.#partitions.set(partition.name, partition);
    for (const listener of this.#doubtListeners) watchTranslations(partition, listener);
    this.#created++;
    return partition;
  }

  /** @throws StopcodeError `hypervisor/unknown-partition` */
  partition(name: string): Partition {
    const partition = this.#partitions.get(name);
    if (partition === undefined)
      throw new StopcodeError("hypervisor/unknown-partition", `there is no partition ${name}`, {
        hint: `there are: ${[...this.#partitions.keys()].join(", ") || "none"}`,
      });
    return partition;
  }

  /** Ends a partition for good: its memory is zeroed and given back, its name is free. */
  destroy(partition: Partition): void {
    this.#mustBeOurs(partition);
    this.sharing.drain(partition);
    partition.destroy();
    this.#partitions.delete(partition.name);
    this.#destroyed++;
  }

  /**
   * Makes a partition the dump partition: it may read all physical memory for as long as it is that
   * (US8375386 claim 1: one of the existing machines is designated). Another that was loses the right.
   */
  designateDumpPartition(partition: Partition): void {
    this.#mustBeOurs(partition);
    this.#dumpPartition = partition;
  }

  /**
   * The dump partition. Where none is designated, or the one that is does not run, an additional one is created and
   * designated (US8375386 claim 2).
   * @throws StopcodeError `hypervisor/out-of-memory` when the host has no room for one
   */
  dumpPartition(): Partition {
    if (this.#dumpPartition?.state === "running") return this.#dumpPartition;
    const partition = this.createPartition({
      name: this.#freeName("dump"),
      memoryBytes: DUMP_PARTITION_BYTES,
      processors: 1,
    });
    this.designateDumpPartition(partition);
    return partition;
  }

  /**
   * All of the host's memory by system physical address, read-only.
   * @throws StopcodeError `hypervisor/access-denied`, here and at every later read, unless the reader runs and has the right
   */
  physicalMemory(reader: Partition): PhysicalMemory {
    return this.#asReader(reader, new WholeHostMemory(this.#memory));
  }

  /**
   * A partition's memory by guest physical address, read-only.
   * @throws StopcodeError `hypervisor/access-denied` as for `physicalMemory`, `hypervisor/unknown-partition`
   */
  guestMemory(reader: Partition, subject: Partition): PhysicalMemory {
    this.#mustBeOurs(subject);
    return this.#asReader(reader, subject.memory);
  }

  /** The state as it stands: all that `audit` goes by, and what a crash transports. */
  state(): HypervisorState {
    const { partitions, sharing } = this;
    const source = { partitions, sharing, dumpPartition: this.#dumpPartition, memory: this.#memory };
    return captureState(source, this.#crash);
  }

  /** Whether what is kept of the guests agrees with what they say themselves; changes nothing. */
  audit(): AuditReport {
    return auditState(this.state(), new WholeHostMemory(this.#memory));
  }

  /**
   * From now on, looks over translations and flushes of the partitions that are made as they happen, and tells at once of what cannot be told
   * to be right: the moment for an audit.
   */
  onDoubt(listener: () => void): void {
    this.#doubtListeners.push(listener);
  }

  /**
   * Makes the hypervisor itself do wrong, once, at the next occasion: for trying out who notices.
   * @throws StopcodeError `hypervisor/fault`
   */
  injectFault(order: FaultOrder): InjectedFault {
    return injectFault({ partitions: this.partitions, memory: this.#memory, sharing: this.sharing }, order);
  }

  /** Sets memory aside for the state that a crash transports. @returns whether the host had any left */
  reserveCrashRegion(): boolean {
    return this.#crashMemory.reserve();
  }

  /** From now on, tells when the hypervisor has crashed: the signal, which carries nothing but that the region is to be looked at. */
  onCrash(listener: () => void): void {
    this.#crashListeners.push(listener);
  }

  /**
   * The hypervisor's own bug check (systems.md 2.3, case 2): all lazy flags are written, all partitions but the dump partition
   * stop, the state goes to the crash region, its valid flag last, and then the listeners are told. Only the first counts.
   */
  crash(bugCheck: BugCheck): void {
    if (this.#crash !== null) return;
    this.#crash = bugCheck;
    for (const partition of this.partitions)
      if (partition === this.#dumpPartition) partition.synchronizeFlags();
      else partition.suspend();
    this.#crashRegion = this.#crashMemory.write(this.state());
    for (const listener of this.#crashListeners) listener();
  }

  /** What the hypervisor crashed with; null while it has not. */
  get bugCheck(): BugCheck | null {
    return this.#crash;
  }

  /** Where the state lies, once it is valid; null before, and where the host had no memory for it. */
  get crashRegion(): CrashRegion | null {
    return this.#crashRegion;
  }

  /** What has happened so far, and what there is now; what partitions count is added up. */
  counters(): Record<string, number> {
    return {
      partitions: this.#partitions.size,
      partitionsCreated: this.#created,
      partitionsDestroyed: this.#destroyed,
      partitionsCrashed: this.partitions.filter((partition) => partition.state === "crashed").length,
      hostPages: this.#memory.frames,
      hostPagesFree: this.#memory.freeFrames,
      ...this.sharing.counters(),
      ...addedUp(this.partitions.map((partition) => partition.counters())),
    };
  }

  #asReader(reader: Partition, memory: PhysicalMemory): PhysicalMemory {
    const mayRead = () => this.#mustBeAllowed(reader);
    mayRead();
    // One that does not run did so when it stopped.
    for (const partition of this.#partitions.values()) if (partition.state === "running") partition.synchronizeFlags();
    return new ForeignMemory(memory, mayRead);
  }

  #mustBeAllowed(reader: Partition): void {
    const allowed =
      this.#partitions.get(reader.name) === reader &&
      reader.state === "running" &&
      (reader.rights === "all-physical-memory" || reader === this.#dumpPartition);
    if (!allowed)
      throw new StopcodeError("hypervisor/access-denied", `partition ${reader.name} may not read others' memory`, {
        hint: "designate it as dump partition, or create it with the right to all physical memory",
      });
  }

  #mustBeOurs(partition: Partition): void {
    if (this.#partitions.get(partition.name) !== partition)
      throw new StopcodeError("hypervisor/unknown-partition", `partition ${partition.name} is not on this host`);
  }

  #freeName(wanted: string): string {
    let name = wanted;
    for (let number = 2; this.#partitions.has(name); number++) name = `${wanted}-${number}`;
    return name;
  }
}
