import type { BlockDevice } from "../device.ts";
import { HardDisk } from "../disk/hard-disk.ts";
import { underDiskSimRules } from "../disk/parameters.ts";
import { DriverQueue } from "./driver-queue.ts";
import { RequestGenerator, type SyntheticRequest } from "./generator.ts";
import { SyntheticProcess } from "./process.ts";
import { Rand48 } from "./rand48.ts";
import { SimpleDisk } from "./simple-disk.ts";
import type { DevicePart, SyntheticWorkload } from "./workload.ts";

export interface SyntheticFigures {
  /** Requests that were answered. */
  readonly requests: number;
  /** Milliseconds from the asking to the answer, in the mean. */
  readonly mean: number;
  readonly meanRead: number;
  readonly meanWrite: number;
  /** Milliseconds of the whole run. */
  readonly until: number;
}

/** Runs a workload on its devices as DiskSim does, with its random numbers, so that the answers' mean can be held against its own. */
export function runSynthetic(workload: SyntheticWorkload): SyntheticFigures {
  return new SyntheticRun(workload).run();
}

/** What DiskSim seeds its random numbers with when a simulation begins, whatever its file says: that seed makes the first requests. */
const SEED_OF_RUN = 1_000_003;

interface Drive {
  readonly device: BlockDevice;
  readonly queue: DriverQueue;
}

interface Processor {
  process: SyntheticProcess | null;
  /** When its process's next step is due. */
  due: number;
}

class SyntheticRun {
  readonly #workload: SyntheticWorkload;
  readonly #drives: ReadonlyMap<string, Drive>;
  readonly #processors: readonly Processor[];
  readonly #ready: SyntheticProcess[];
  /** Requests that were not answered, and the numbers under which drives have them. */
  readonly #open = new Set<SyntheticRequest>();
  readonly #asked = new Map<number, SyntheticRequest>();
  readonly #waiting = new Map<SyntheticRequest, SyntheticProcess>();
  #made = 0;
  #number = 0;
  #now = 0;
  readonly #times = { read: { sum: 0, count: 0 }, write: { sum: 0, count: 0 } };

  constructor(workload: SyntheticWorkload) {
    this.#workload = workload;
    const { devices, policy, prefersUrgent, generators } = workload;
    this.#drives = new Map(
      [...devices].map(([name, part]) => [
        name,
        { device: deviceOf(part), queue: new DriverQueue(policy, prefersUrgent) },
      ]),
    );
    const random = new Rand48(workload.seed);
    // The last one first: random numbers are drawn in that order, and processors are given out.
    this.#ready = generators
      .toReversed()
      .map((generator) => new SyntheticProcess(new RequestGenerator(generator, random), generator.patience, random));
    random.seed(SEED_OF_RUN);
    this.#processors = Array.from({ length: workload.processors }, () => ({
      process: null,
      due: Number.POSITIVE_INFINITY,
    }));
  }

  run(): SyntheticFigures {
    for (const processor of this.#processors) this.#dispatch(processor);
    while (this.#step());
    const { read, write } = this.#times;
    return {
      requests: read.count + write.count,
      mean: (read.sum + write.sum) / (read.count + write.count),
      meanRead: read.sum / read.count,
      meanWrite: write.sum / write.count,
      until: this.#now,
    };
  }

  /** What comes next in time. @returns false when no more is to be made */
  #step(): boolean {
    let next: Processor | null = null;
    let drive: Drive | null = null;
    let at = Number.POSITIVE_INFINITY;
    for (const candidate of this.#drives.values())
      if (candidate.device.next < at) {
        at = candidate.device.next;
        drive = candidate;
      }
    for (const processor of this.#processors)
      if (processor.due < at) {
        at = processor.due;
        next = processor;
      }
    this.#now = at;
    if (next !== null) return this.#do(next);
    if (drive === null) return false;
    this.#answer(drive);
    return true;
  }

  #do(processor: Processor): boolean {
    const process = processor.process!;
    const step = process.steps.shift()!;
    switch (step.kind) {
      case "think":
        this.#made++;
        if (this.#made >= this.#workload.requests || this.#now >= this.#workload.until) return false;
        process.think();
        break;
      case "ask":
        this.#ask(step.request);
        break;
      case "wait":
        if (!this.#open.has(step.request)) break;
        this.#waiting.set(step.request, process);
        this.#dispatch(processor);
        return true;
    }
    processor.due = this.#now + process.steps[0]!.after;
    return true;
  }

  #ask(request: SyntheticRequest): void {
    const drive = this.#drives.get(request.device)!;
    const id = ++this.#number;
    this.#open.add(request);
    this.#asked.set(id, request);
    drive.queue.add(
      {
        ...{ id, sector: request.sector, sectors: request.sectors, write: request.write },
        ...{ arrival: this.#now, owner: 0, class: "normal", deadline: Number.POSITIVE_INFINITY },
      },
      request.urgency !== "none",
    );
    this.#feed(drive);
  }

  #feed({ device, queue }: Drive): void {
    if (device.pending > 0) return;
    const request = queue.take();
    if (request !== null) device.submit(request, this.#now);
  }

  #answer(drive: Drive): void {
    const { request } = drive.device.complete();
    const time = this.#times[request.write ? "write" : "read"];
    time.sum += this.#now - request.arrival;
    time.count++;
    const asked = this.#asked.get(request.id)!;
    this.#asked.delete(request.id);
    this.#open.delete(asked);
    this.#feed(drive);
    const process = this.#waiting.get(asked);
    if (process === undefined) return;
    this.#waiting.delete(asked);
    this.#ready.push(process);
    const first = this.#processors[0]!;
    if (first.process === null) this.#dispatch(first);
  }

  /** Gives a processor to the process that has been ready longest, if there is one. */
  #dispatch(processor: Processor): void {
    processor.process = this.#ready.shift() ?? null;
    processor.due =
      processor.process === null ? Number.POSITIVE_INFINITY : this.#now + processor.process.steps[0]!.after;
  }
}

function deviceOf(part: DevicePart): BlockDevice {
  return part.kind === "disk" ? new HardDisk(underDiskSimRules(part.disk)) : new SimpleDisk(part.sectors, part.access);
}
