import type { PageRun, PhysicalMemory } from "../../binary/index.ts";
import { StopcodeError } from "../../binary/index.ts";
import {
  armForNextStart,
  driverFile,
  type FaultHarm,
  Guest,
  type PageExchange,
  type Procedure,
  type SelfDiagnosis,
  type SelfDump,
  selfDiagnosis,
  TICKS_PER_SECOND,
  type UserProcess,
} from "../../guest/index.ts";
import type { BugCheck, Partition } from "../../hypervisor/index.ts";
import type {
  ArmedCheck,
  CrashNote,
  CrashRegion,
  Host,
  HostEvent,
  HostPartition,
  HostProcessor,
  PartitionFrames,
} from "../host.ts";
import { HostStart } from "./host-start.ts";
import { HostStorage } from "./host-storage.ts";
import { Machine } from "./machine.ts";
import { framesOf } from "./partition-frames.ts";
import type { Scenario, ScenarioPartition } from "./scenario/schema.ts";

/** Whether nobody has removed a driver before a start. */
const isThere = ({ removedDrivers }: ScenarioPartition, driver: string, boot: number) =>
  !removedDrivers.some(({ name, afterBoot }) => name === driver && boot > afterBoot);

export interface EmulatedHostOptions {
  /** In place of the scenario's own. */
  readonly seed?: number;
  /** What the guests' kernels do by themselves about the stop code their last start left; nothing when left out. */
  readonly procedures?: readonly Procedure[];
}

/**
 * A host that runs a scenario: a hypervisor, a guest in every partition, and one virtual clock. Nothing depends on the
 * time of day or on the machine it runs on: the same scenario and seed give the same events and the same bytes of memory.
 */
export class EmulatedHost implements Host {
  readonly name: string;
  readonly startedAt: Date;
  readonly scenario: Scenario;
  readonly seed: number;
  #start!: HostStart;
  readonly #storage: HostStorage;
  /** Which start of the host is running, from 1. */
  #hostBoot = 0;
  readonly #machines = new Map<string, Machine>();
  readonly #announced: HostEvent[] = [];
  readonly #procedures: readonly Procedure[];
  /** Host time in 100 ns. */
  #now = 0;
  #events = 0;

  /**
   * Boots every partition; the first events are their starts.
   * @throws StopcodeError `hypervisor/out-of-memory`, `guest/out-of-memory` when the scenario asks for more than it gives
   */
  constructor(scenario: Scenario, options: EmulatedHostOptions = {}) {
    this.scenario = scenario;
    this.#procedures = options.procedures ?? [];
    this.name = scenario.host.name;
    this.seed = options.seed ?? scenario.seed;
    this.startedAt = new Date(scenario.clock);
    this.#storage = new HostStorage(scenario, this.seed);
    this.#powerOn([]);
    for (const wanted of scenario.partitions) this.#create(wanted, 1, null);
    this.#start.hypervisor.reserveCrashRegion();
  }

  partitions(): readonly HostPartition[] {
    return [...this.#machines.values()].map((machine) => machine.description());
  }

  nextEvent(): Promise<HostEvent> {
    return new Promise((resolve) => resolve(this.#run()));
  }

  async pause(name: string): Promise<void> {
    this.#machine(name).pause(this.#now);
  }

  async resume(name: string): Promise<void> {
    this.#machine(name).resume(this.#now);
  }

  async restart(name: string, { arm }: { readonly arm: readonly ArmedCheck[] }): Promise<void> {
    const machine = this.#machine(name);
    this.#execute(() => machine.restart(this.#now, arm));
    const { bugCheck } = this.#start.hypervisor;
    this.#announced.push(bugCheck === null ? machine.started() : this.#hostCrash(bugCheck));
  }

  async restartAll(options: {
    readonly arm: readonly ArmedCheck[];
    readonly partitions?: ReadonlyMap<string, readonly ArmedCheck[]>;
  }): Promise<void> {
    const before = [...this.#machines.values()];
    this.#machines.clear();
    this.#powerOn(options.arm);
    for (const { wanted, partition, boot } of before) {
      const arm = options.partitions?.get(wanted.name);
      if (arm) armForNextStart(partition, arm);
      this.#create(wanted, boot + 1, partition.nonVolatile);
    }
    this.#start.hypervisor.reserveCrashRegion();
  }

  selfDump(name: string): Promise<SelfDump | null> {
    return new Promise((resolve) => resolve(this.#selfDump(name)));
  }

  selfDiagnosis(name: string): SelfDiagnosis {
    return selfDiagnosis(this.#machine(name).partition.nonVolatile);
  }

  machineMemory(): PhysicalMemory {
    return this.#start.machineMemory();
  }

  partitionFrames(): readonly PartitionFrames[] {
    return this.#start.hypervisor.partitions.map(framesOf);
  }

  crashRegion(): CrashRegion | null {
    return this.#start.hypervisor.crashRegion;
  }

  memory(name: string): PhysicalMemory {
    return this.#start.memoryOf(this.#machine(name).partition);
  }

  privatePages(name: string): readonly PageRun[] {
    return this.#machine(name).partition.privateRuns();
  }

  processors(name: string): readonly HostProcessor[] {
    return this.#machine(name).processors();
  }

  crashNote(name: string): CrashNote {
    return this.#machine(name).crashNote();
  }

  console(name: string): string {
    return this.#machine(name).partition.console;
  }

  harm(name: string): FaultHarm | null {
    const machine = this.#machine(name);
    const failsFrom = this.#storage.failsFrom(name);
    if (machine.guest.harm !== null || failsFrom > this.#now) return machine.guest.harm;
    return { begunAtSeconds: machine.secondsUntil(failsFrom), bytesOfOthers: 0 };
  }

  counters(): Readonly<Record<string, number>> {
    const guests = [...this.#machines.values()].map(({ guest }) => guest);
    return {
      ...this.#start.hypervisor.counters(),
      guestEvents: this.#events,
      hypervisorAudits: this.#start.watch.audits,
      checkRecordsWritten: guests.reduce((sum, guest) => sum + guest.checkRecordsWritten, 0),
    };
  }

  storageCounters(): Readonly<Record<string, number>> {
    return this.#storage.disk.counters();
  }

  dumpTaken(_partition: string, bytes: number): void {
    this.#storage.disk.writeDump(bytes, this.#now);
  }

  partitionCounters(): Readonly<Record<string, Readonly<Record<string, number>>>> {
    return Object.fromEntries(
      [...this.#machines].map(([name, { partition }]) => [name, partition.counters()] as const),
    );
  }

  async close(): Promise<void> {
    for (const { partition } of this.#machines.values()) this.#start.hypervisor.destroy(partition);
    this.#machines.clear();
  }

  /** Which start of a partition is running, from 1. */
  bootOf(name: string): number {
    return this.#machine(name).boot;
  }

  /** What lies in the page file of a partition. */
  pageFile(name: string): Uint8Array {
    return this.#storage.pageFileContent(name);
  }

  /** A partition's non-volatile store, as it is: where its kernel leaves the stop code and finds the checks to arm. */
  nonVolatile(name: string): Uint8Array {
    return this.#machine(name).partition.nonVolatile;
  }

  #run(): HostEvent {
    return this.#announced.shift() ?? this.#goOn(() => false)!;
  }

  #selfDump(name: string): SelfDump | null {
    const { wanted, guest } = this.#machine(name);
    if (!wanted.selfDump) return null;
    this.#machine(name).beginSelfDump(this.#now);
    while (guest.selfDump === null) {
      const event = this.#goOn(() => guest.selfDump !== null);
      if (event !== null) this.#announced.push(event);
      if (event?.kind === "host-crashed")
        return { bytes: 0, seconds: 0, failure: "the hypervisor stopped before it was written" };
    }
    return guest.selfDump;
  }

  /** Lets guests' events happen in the order of the host's clock until one is worth telling, or all that is waited for has come: then it is null. */
  #goOn(hasCome: () => boolean): HostEvent | null {
    while (!hasCome()) {
      const machine = this.#next();
      if (!machine) return { kind: "finished", atSeconds: this.#now / TICKS_PER_SECOND };
      const { due } = machine;
      const { disk, nextLiveDump } = this.#storage;
      if (nextLiveDump <= Math.min(due, this.#start.watch.next, disk.next)) {
        this.#now = Math.max(this.#now, nextLiveDump);
        const event = this.#machine(this.#storage.takeLiveDump()).liveDump(this.#now, this.#clock());
        if (event !== null) return event;
        continue;
      }
      if (disk.next <= Math.min(due, this.#start.watch.next)) {
        this.#now = Math.max(this.#now, disk.next);
        disk.step();
        continue;
      }
      let stopped = false;
      if (this.#start.watch.next <= due) {
        this.#now = this.#start.watch.next;
        this.#start.watch.step();
      } else {
        this.#now = due;
        const before = machine.partition.state;
        this.#execute(() => machine.guest.step());
        this.#events++;
        stopped = before === "running" && machine.partition.state === "crashed";
        if (stopped) this.#start.watch.partitionStopped();
      }
      const { bugCheck } = this.#start.hypervisor;
      if (bugCheck) return this.#hostCrash(bugCheck);
      if (stopped) return machine.crashed(this.#clock());
    }
    return null;
  }

  /** The machine whose event is due first; of several, the one the scenario names first. */
  #next(): Machine | null {
    let first: Machine | null = null;
    let at = Number.POSITIVE_INFINITY;
    for (const machine of this.#machines.values()) {
      const { due } = machine;
      if (due >= at) continue;
      at = due;
      first = machine;
    }
    return first;
  }

  /** What a guest does. In the middle of it the hypervisor may stop: then the guest executes nothing more, and breaks off. */
  #execute(guest: () => void): void {
    try {
      guest();
    } catch (error) {
      if (this.#start.hypervisor.bugCheck === null) throw error;
    }
  }

  #hostCrash({ code, parameters }: BugCheck): HostEvent {
    return {
      kind: "host-crashed",
      atSeconds: this.#now / TICKS_PER_SECOND,
      at: this.#clock(),
      stopCode: code,
      parameters,
    };
  }

  #powerOn(arm: readonly ArmedCheck[]): void {
    this.#hostBoot++;
    const seed = Math.imul(this.seed + this.#hostBoot, 0x9e37_79b1) >>> 0;
    this.#start = new HostStart(this.scenario, { arm, now: this.#now, seed });
  }

  #create(wanted: ScenarioPartition, boot: number, nonVolatile: Uint8Array | null): void {
    const { partition, exchange } = this.#start.create(wanted, nonVolatile);
    if (nonVolatile === null) armForNextStart(partition, wanted.armed);
    const machine = new Machine({
      wanted,
      partition,
      boot,
      now: this.#now,
      lasts: this.scenario.duration * TICKS_PER_SECOND,
      startGuest: (start) => this.#bootGuest(wanted, partition, exchange, start),
    });
    this.#machines.set(wanted.name, machine);
    this.#announced.push(machine.started());
  }

  #bootGuest(wanted: ScenarioPartition, partition: Partition, exchange: PageExchange, boot: number): Guest {
    const { pageFile, files } = this.#storage.startOf(
      wanted.name,
      () => this.#now,
      (at, action) => this.#machine(wanted.name).interrupt(at, action),
    );
    return new Guest({
      partition,
      boot,
      seed: this.seed,
      startedAt: this.#clock(),
      systemPtes: wanted.systemPtes,
      procedures: this.#procedures,
      pageFile,
      files,
      memoryFaults: wanted.memoryFaults,
      drivers: wanted.drivers.filter((driver) => isThere(wanted, driver.name, boot)).map(driverFile),
      bootStorage: { adapterDriver: wanted.adapterDriver ?? null, selfDump: wanted.selfDump },
      exchange,
      processes: wanted.processes.flatMap(
        ({ name, memory, private: isPrivate, canary, work, reads, requests, count }) =>
          Array<UserProcess>(count).fill({
            name,
            memoryBytes: memory,
            private: isPrivate,
            canary: canary ?? null,
            work: work ?? null,
            reads: reads ?? null,
            requests: requests ?? null,
          }),
      ),
    });
  }

  /** The time of day on the host. */
  #clock(): Date {
    return new Date(this.startedAt.getTime() + this.#now / (TICKS_PER_SECOND / 1000));
  }

  #machine(name: string): Machine {
    const machine = this.#machines.get(name);
    if (!machine)
      throw new StopcodeError("host/unknown-partition", `host ${this.name} has no partition ${name}`, {
        hint: `it has ${[...this.#machines.keys()].join(", ")}`,
      });
    return machine;
  }
}
