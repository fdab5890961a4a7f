import type { PageRun, PhysicalMemory, Registers } from "../binary/index.ts";
import type { FaultHarm, SelfDiagnosis, SelfDump } from "../guest/index.ts";

/** A check that a finding asks for, to be applied when the partition starts again, before its drivers load. */
export interface ArmedCheck {
  /** `pte-tracking`, `special-pool`, `locked-page-tracking` … */
  readonly check: string;
  /** A driver, a pool tag, or null for the whole system. */
  readonly target: string | null;
}

/** The name under which the hypervisor itself stands where others name a partition. */
export const HYPERVISOR = "hypervisor";

export type PartitionState = "running" | "crashed" | "paused" | "stopped";

/** What the dump agent may do with a partition's memory: the owner's word, not the agent's. */
export interface DumpPolicy {
  /** `stateless`: a descriptor is left and no page. */
  readonly dump: "pages" | "stateless";
  readonly format: "windows-bitmap" | "windows-full" | "elf-vmcore";
  /** age recipients (`age1…`) of the partition's owner; private pages are sealed for all of them. */
  readonly recipients: readonly string[];
  /** Pages not worth storing. `zero`: pages of zeros are left out of the page map. */
  readonly leaveOut: readonly "zero"[];
}

export interface HostPartition {
  readonly name: string;
  readonly state: PartitionState;
  readonly memoryBytes: number;
  readonly processors: number;
  readonly policy: DumpPolicy;
}

/** What a crashing guest told its host: five words and, where it could, a text. */
export interface CrashNotice {
  readonly partition: string;
  /** Seconds since that partition's start. */
  readonly atSeconds: number;
  /** The host's clock at that moment. */
  readonly at: Date;
  readonly stopCode: number;
  readonly parameters: readonly [bigint, bigint, bigint, bigint];
  readonly message: string | null;
}

/** What a failed hypervisor left: its stop code; the rest stands in its crash region (US8707305 claim 1). */
export interface HostCrashNotice {
  /** Seconds since the host's start. */
  readonly atSeconds: number;
  /** The host's clock at that moment. */
  readonly at: Date;
  readonly stopCode: number;
  readonly parameters: readonly [bigint, bigint, bigint, bigint];
}

export type HostEvent =
  | { readonly kind: "started"; readonly partition: string; readonly armed: readonly ArmedCheck[] }
  | ({ readonly kind: "crashed" } & CrashNotice)
  /** A dump of a partition that runs on is wanted: who takes it resumes the partition. The stop code is LIVE_SYSTEM_DUMP. */
  | ({ readonly kind: "live-dump" } & CrashNotice)
  /** The hypervisor itself has failed: no partition but the dump partition executes any more. */
  | ({ readonly kind: "host-crashed" } & HostCrashNotice)
  /** Nothing will happen any more: every partition is idle or the scenario's time is over. */
  | { readonly kind: "finished"; readonly atSeconds: number };

/**
 * What a guest has prepared for whoever dumps it from outside.
 * `windows`: the 8 KiB DUMP_HEADER64 page pair the guest kernel keeps ready and fills at a bug check.
 */
export type CrashNote = { readonly kind: "windows"; readonly header: Uint8Array } | { readonly kind: "none" };

/** Where a failed hypervisor left its state, in frames of system physical memory. */
export interface CrashRegion {
  readonly firstFrame: number;
  readonly frames: number;
}

/** The system page frames of one partition. */
export interface PartitionFrames {
  readonly partition: string;
  readonly frames: readonly PageRun[];
  /** Those among them that the partition marked private. */
  readonly privateFrames: readonly PageRun[];
}

export interface HostProcessor {
  readonly index: number;
  readonly registers: Registers;
}

/** The one face of a machine that runs partitions: emulated here, QEMU later. */
export interface Host {
  readonly name: string;
  /** The scenario's clock at host start: the wall clock of everything the host writes. */
  readonly startedAt: Date;
  partitions(): readonly HostPartition[];
  /** Runs the host until its next event. Partitions other than a crashed one go on while a dump is taken. */
  nextEvent(): Promise<HostEvent>;
  pause(partition: string): Promise<void>;
  resume(partition: string): Promise<void>;
  /** Starts a partition anew, stopped or not. @param options `arm`: checks besides those that are armed already */
  restart(partition: string, options: { readonly arm: readonly ArmedCheck[] }): Promise<void>;
  /**
   * Boots the whole machine anew, the hypervisor with it. The partitions' non-volatile stores survive.
   * @param options `arm`: checks for the hypervisor; `partitions`: for the next start of these partitions, as `restart` does
   */
  restartAll(options: {
    readonly arm: readonly ArmedCheck[];
    readonly partitions?: ReadonlyMap<string, readonly ArmedCheck[]>;
  }): Promise<void>;
  /**
   * Lets a partition that stopped write a dump of itself, as its owner wants it (into its page file, by its own drivers), until that has
   * ended. Null: none is wanted of it.
   */
  selfDump(partition: string): Promise<SelfDump | null>;
  /** What a partition does to find out by itself what is wrong with it, as it has left it in its non-volatile store. */
  selfDiagnosis(partition: string): SelfDiagnosis;
  /** All system physical memory, as the dump partition may read it. */
  machineMemory(): PhysicalMemory;
  /** Whose the frames of system physical memory are, partition by partition; the others are the hypervisor's or free. */
  partitionFrames(): readonly PartitionFrames[];
  /** Null as long as the hypervisor has not failed, and where the host had no memory left for its state. */
  crashRegion(): CrashRegion | null;
  /** All guest physical memory of a partition, as the dump partition may read it. */
  memory(partition: string): PhysicalMemory;
  /** Guest pages whose owner marked them private, as page runs of guest frames. */
  privatePages(partition: string): readonly PageRun[];
  processors(partition: string): readonly HostProcessor[];
  crashNote(partition: string): CrashNote;
  console(partition: string): string;
  /**
   * What has gone wrong in a partition that a scenario has gone wrong, and what that has done, as only the one who planned it knows. Null: nothing
   * yet, or nobody has planned it.
   */
  harm(partition: string): FaultHarm | null;
  /** The agent has a dump of so many bytes to write: a host that has a disk of its own is busy with it from now on. */
  dumpTaken(partition: string, bytes: number): void;
  /** Named counters, for `host run --json`. */
  counters(): Readonly<Record<string, number>>;
  /** Those of its disks. */
  storageCounters(): Readonly<Record<string, number>>;
  /** Those of each partition, by its name. */
  partitionCounters(): Readonly<Record<string, Readonly<Record<string, number>>>>;
  close(): Promise<void>;
}
