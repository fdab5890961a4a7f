import { dumpHeader64 } from "../../dumpfile/index.ts";
import { armForNextStart, type Guest, TICKS_PER_SECOND } from "../../guest/index.ts";
import type { Partition } from "../../hypervisor/index.ts";
import type { ArmedCheck, CrashNote, HostEvent, HostPartition, HostProcessor, PartitionState } from "../host.ts";
import type { ScenarioPartition } from "./scenario/schema.ts";

/** Stop code of a dump that is taken of a machine which goes on. */
const LIVE_SYSTEM_DUMP = 0x161;

export interface MachineOptions {
  readonly wanted: ScenarioPartition;
  readonly partition: Partition;
  /** Which start of it is the first, from 1. */
  readonly boot: number;
  readonly now: number;
  /** How long a start goes on, if nothing stops before. */
  readonly lasts: number;
  /** Starts the guest from power-on, for a start of that number. */
  readonly startGuest: (boot: number) => Guest;
}

/** A partition, the guest in it, and where its clock stands against the host's. Host times are in 100 ns. */
export class Machine {
  readonly wanted: ScenarioPartition;
  readonly partition: Partition;
  readonly #startGuest: (boot: number) => Guest;
  readonly #lasts: number;
  #guest: Guest;
  #boot: number;
  /** Host time of the guest's start, moved on by every pause. */
  #startedAt: number;
  /** Host time at which this start is over. */
  #until: number;
  #pausedAt: number | null = null;

  constructor({ wanted, partition, boot, now, lasts, startGuest }: MachineOptions) {
    this.wanted = wanted;
    this.partition = partition;
    this.#startGuest = startGuest;
    this.#lasts = lasts;
    this.#boot = boot;
    this.#guest = startGuest(boot);
    this.#startedAt = now;
    this.#until = now + lasts;
  }

  get guest(): Guest {
    return this.#guest;
  }

  /** Which start is running, from 1. */
  get boot(): number {
    return this.#boot;
  }

  /** Host time of the guest's next event. Infinity: it does not run, or its start is over before. */
  get due(): number {
    if (this.#guest.isDumping) return this.#startedAt + this.#guest.nextEvent;
    if (this.partition.state !== "running") return Number.POSITIVE_INFINITY;
    const due = this.#startedAt + this.#guest.nextEvent;
    return due <= this.#until ? due : Number.POSITIVE_INFINITY;
  }

  /** Where the guest's clock stands at a host time, in seconds; 0: before it was started. */
  secondsUntil(at: number): number {
    return Math.max(0, at - this.#startedAt) / TICKS_PER_SECOND;
  }

  /** Has the guest hear of something at a host time. */
  interrupt(at: number, action: () => void): void {
    this.#guest.interrupt(at - this.#startedAt, action);
  }

  pause(now: number): void {
    if (this.#pausedAt !== null) return;
    this.partition.suspend();
    this.#pausedAt = now;
  }

  resume(now: number): void {
    if (this.#pausedAt === null) return;
    if (this.partition.state !== "crashed") this.partition.resume();
    this.#startedAt += now - this.#pausedAt;
    this.#until += now - this.#pausedAt;
    this.#pausedAt = null;
  }

  /** Has a guest that stopped write a dump of itself; `guest.selfDump` says when it has. */
  beginSelfDump(now: number): void {
    this.resume(now);
    this.#guest.beginSelfDump(now - this.#startedAt);
  }

  restart(now: number, arm: readonly ArmedCheck[]): void {
    armForNextStart(this.partition, arm);
    this.partition.reset();
    this.#boot++;
    this.#pausedAt = null;
    this.#startedAt = now;
    this.#until = now + this.#lasts;
    this.#guest = this.#startGuest(this.#boot);
  }

  description(): HostPartition {
    const { wanted } = this;
    return {
      name: wanted.name,
      state: this.#state,
      memoryBytes: wanted.memory,
      processors: wanted.processors,
      policy: {
        dump: wanted.stateless ? "stateless" : "pages",
        format: wanted.dump.format,
        recipients: wanted.owners,
        leaveOut: wanted.dump.leaveOut,
      },
    };
  }

  processors(): readonly HostProcessor[] {
    this.#guest.publish();
    return this.partition.processors.map(({ index, registers }) => ({ index, registers: { ...registers } }));
  }

  crashNote(): CrashNote {
    const note = this.partition.crashNote();
    if (note === null) return { kind: "none" };
    const header = Uint8Array.from(note);
    // The guest has not filled its header in: it goes on.
    if (this.partition.state !== "crashed")
      new DataView(header.buffer).setUint32(dumpHeader64.fields.bugCheckCode.offset, LIVE_SYSTEM_DUMP, true);
    return { kind: "windows", header };
  }

  started(): HostEvent {
    return { kind: "started", partition: this.wanted.name, armed: this.#guest.armed };
  }

  crashed(at: Date): HostEvent {
    const { parameters, message } = this.partition.crash!;
    return {
      kind: "crashed",
      partition: this.wanted.name,
      atSeconds: this.#guest.now / TICKS_PER_SECOND,
      at,
      stopCode: Number(parameters[0]),
      parameters: [parameters[1], parameters[2], parameters[3], parameters[4]],
      message,
    };
  }

  /** Null: it does not run. */
  liveDump(now: number, at: Date): HostEvent | null {
    if (this.#state !== "running") return null;
    return {
      kind: "live-dump",
      partition: this.wanted.name,
      atSeconds: (now - this.#startedAt) / TICKS_PER_SECOND,
      at,
      stopCode: LIVE_SYSTEM_DUMP,
      parameters: [0n, 0n, 0n, 0n],
      message: null,
    };
  }

  get #state(): PartitionState {
    if (this.partition.state === "crashed") return "crashed";
    if (this.#pausedAt !== null) return "paused";
    return this.partition.state === "running" ? "running" : "stopped";
  }
}
