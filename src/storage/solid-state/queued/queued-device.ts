import { EventQueue } from "./event-queue.ts";
import { FlashArray, type PagePlace } from "./flash-array.ts";
import { MappingCache } from "./mapping-cache.ts";
import type { QueuedDeviceParameters } from "./parameters.ts";
import { WriteBuffer } from "./write-buffer.ts";

/** What a host asks for. */
export interface QueuedRequest {
  /** Milliseconds. */
  readonly arrival: number;
  readonly sector: number;
  readonly sectors: number;
  readonly write: boolean;
}

export interface QueuedFigures {
  readonly requests: number;
  /** Microseconds from the arrival to the answer. */
  readonly mean: number;
  readonly meanRead: number;
  readonly meanWrite: number;
  readonly longest: number;
  /** Pages of the mapping that were read from the flash. */
  readonly mappingReads: number;
}

/**
 * Sends a device requests in their own time. Other than `SolidStateDevice`, which knows a command's end when it comes, this one lets
 * queues grow at chips and channels: a read may come before a program that was asked for earlier. Blocks are never collected.
 * Source: MQSim (Tavakkol et al., FAST 2018), whose device it is with `MQSIM_QUEUED`.
 */
export function runQueued(device: QueuedDeviceParameters, requests: readonly QueuedRequest[]): QueuedFigures {
  return new QueuedRun(device).run(requests);
}

interface Part {
  readonly page: number;
  readonly sectors: number;
}

interface Open {
  readonly request: QueuedRequest;
  /** In order of arrival. */
  readonly number: number;
  /** Parts of a write that are not in the buffer yet. */
  readonly unbuffered: Part[];
  /** Accesses to the flash and to the buffer that it waits for. */
  waitsFor: number;
}

const MICROSECONDS = 1000;

class QueuedRun {
  readonly #device: QueuedDeviceParameters;
  readonly #events = new EventQueue();
  readonly #flash: FlashArray;
  readonly #mapping: MappingCache;
  readonly #buffer: WriteBuffer;
  /** Of each plane, the page that is programmed next; and of each logical page that has one, its page. */
  readonly #nextPage: Int32Array;
  readonly #pageOf = new Map<number, number>();
  /** Writes that wait for room in the buffer. */
  readonly #waiting: Open[] = [];
  readonly #times: { readonly write: boolean; readonly time: number }[] = [];

  constructor(device: QueuedDeviceParameters) {
    this.#device = device;
    this.#flash = new FlashArray(device, this.#events);
    this.#mapping = new MappingCache(device, this.#flash);
    this.#buffer = new WriteBuffer(device, this.#events);
    this.#nextPage = new Int32Array(
      device.channels * device.chipsPerChannel * device.diesPerChip * device.planesPerDie,
    );
  }

  run(requests: readonly QueuedRequest[]): QueuedFigures {
    for (const [number, request] of requests.entries())
      this.#events.at(request.arrival * MICROSECONDS, () => this.#arrive(request, number));
    this.#events.run();
    const times = (write: boolean) => this.#times.filter((one) => one.write === write).map(({ time }) => time);
    const reads = times(false);
    const writes = times(true);
    return {
      requests: this.#times.length,
      mean: mean([...reads, ...writes]),
      meanRead: mean(reads),
      meanWrite: mean(writes),
      longest: this.#times.reduce((most, { time }) => Math.max(most, time), 0),
      mappingReads: this.#mapping.reads,
    };
  }

  #arrive(request: QueuedRequest, number: number): void {
    const parts = this.#parts(request);
    if (!request.write) {
      this.#read({ request, number, unbuffered: [], waitsFor: 0 }, parts);
      return;
    }
    const open = { request, number, unbuffered: parts, waitsFor: 0 };
    this.#write(open);
    if (open.unbuffered.length > 0) this.#waiting.push(open);
  }

  #parts({ sector, sectors }: QueuedRequest): Part[] {
    const { pageSectors } = this.#device;
    const parts: Part[] = [];
    const end = sector + sectors;
    for (let at = sector; at < end; ) {
      const page = Math.floor(at / pageSectors);
      const to = Math.min(end, (page + 1) * pageSectors);
      parts.push({ page, sectors: to - at });
      at = to;
    }
    return parts;
  }

  #read(open: Open, parts: readonly Part[]): void {
    const buffered = parts.filter(({ page }) => this.#buffer.holds(page));
    if (buffered.length > 0) this.#access(open, buffered);
    for (const { page, sectors } of parts) {
      if (this.#buffer.holds(page)) continue;
      open.waitsFor++;
      this.#mapping.whenKnown(page, () => {
        const place = this.#flash.placeOf(page);
        // A page that nobody has written is read from where a write would put it.
        const number = this.#pageOf.get(page) ?? this.#allocate(page, place);
        this.#flash.add({ kind: "read", place, page: number, sectors, done: () => this.#served(open) });
      });
    }
    this.#flash.schedule();
  }

  /** Takes in what there is room for. */
  #write(open: Open): void {
    const taken: Part[] = [];
    const destaged: Part[] = [];
    while (open.unbuffered.length > 0 && !this.#buffer.isFull) {
      const part = open.unbuffered.shift()!;
      taken.push(part);
      if (this.#buffer.put(part.page, part.sectors, open.number)) destaged.push(part);
    }
    if (taken.length > 0) this.#access(open, taken);
    for (const part of destaged) this.#mapping.whenKnown(part.page, () => this.#destage(part, open.number));
    if (destaged.length > 0) this.#flash.schedule();
    this.#buffer.age();
  }

  #destage({ page, sectors }: Part, write: number): void {
    const place = this.#flash.placeOf(page);
    this.#flash.add({
      ...{ kind: "program", place, page: this.#allocate(page, place), sectors },
      done: () => {
        this.#buffer.programmed(page, sectors, write);
        this.#admit();
      },
    });
  }

  /** There is room in the buffer again. */
  #admit(): void {
    while (this.#waiting.length > 0 && !this.#buffer.isFull) {
      const open = this.#waiting[0]!;
      this.#write(open);
      if (open.unbuffered.length > 0) break;
      this.#waiting.shift();
    }
  }

  #access(open: Open, parts: readonly Part[]): void {
    open.waitsFor++;
    const sectors = parts.reduce((sum, part) => sum + part.sectors, 0);
    this.#buffer.access(sectors, () => this.#served(open));
  }

  #served(open: Open): void {
    open.waitsFor--;
    if (open.waitsFor > 0 || open.unbuffered.length > 0) return;
    const time = this.#events.now - open.request.arrival * MICROSECONDS + this.#device.host;
    this.#times.push({ write: open.request.write, time });
  }

  #allocate(page: number, { channel, chip, die, plane }: PagePlace): number {
    const { chipsPerChannel, diesPerChip, planesPerDie, pagesPerBlock } = this.#device;
    const index = ((channel * chipsPerChannel + chip) * diesPerChip + die) * planesPerDie + plane;
    const number = this.#nextPage[index]!++ % pagesPerBlock;
    this.#pageOf.set(page, number);
    return number;
  }
}

function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}
