import { PAGE_SIZE, Random, StopcodeError } from "../../binary/index.ts";
import {
  type FileDevice,
  type FilePriority,
  NT_STATUS,
  type PageFileDevice,
  type PolledTransfer,
  TICKS_PER_SECOND,
  type Transferred,
} from "../../guest/index.ts";
import {
  admit,
  type BlockRequest,
  CALIBRATION_STREAM,
  type Completion,
  ContinuousMedia,
  calibrationDisk,
  type DeviceFault,
  FaultyDevice,
  HardDisk,
  Numbers,
  PeriodicStreams,
  type RequestClass,
  SECTOR_BYTES,
} from "../../storage/index.ts";
import { DiskRetries } from "./disk-retries.ts";

const PAGE_SECTORS = PAGE_SIZE / SECTOR_BYTES;
const TICKS_PER_MILLISECOND = TICKS_PER_SECOND / 1000;
/** A dump is written in requests of 128 KiB, so many of them at one time. */
const DUMP_SECTORS = 256;
const DUMP_DEPTH = 8;
const FILE_CLASS: Readonly<Record<FilePriority, RequestClass>> = {
  high: "high",
  normal: "normal",
  low: "low",
  "very-low": "idle",
};
/** Owner of what is no stream's. */
const MACHINE = -1;

const mebibytes = (sectors: number) => `${Math.ceil((sectors * SECTOR_BYTES) / 2 ** 20)} MiB`;

export interface HostDiskOptions {
  readonly faults: readonly DeviceFault[];
  /** Streams that others of the host's guests play from it. */
  readonly streams: number;
  readonly seed: number;
  /** Sectors of page files and files, at its front; dumps are written behind them. */
  readonly usedSectors: number;
}

/**
 * A disk of the host, with the scheduler before it: partitions' page files lie on it behind one another, dumps behind those, and
 * streams are played from all over it. Times are 100 ns of the host's clock.
 */
export class HostDisk {
  readonly #device: FaultyDevice;
  readonly #scheduler: ContinuousMedia;
  readonly #streams: PeriodicStreams;
  readonly #retries = new DiskRetries();
  readonly #numbers = new Numbers();
  readonly #waiting = new Map<BlockRequest, (completion: Completion) => void>();
  readonly #contents = new Map<number, Uint8Array>();
  #dumpAt: number;
  #dumpLeft = 0;
  #dumpOpen = 0;
  #reads = 0;
  #writes = 0;
  #fileReads = 0;
  #failures = 0;
  #timeouts = 0;
  #resets = 0;
  #dumpSectors = 0;
  #dumpLost = 0;
  #periods = 0;
  #missed = 0;

  /** Throws `scenario/streams` where the disk cannot promise so many streams their deadlines, `scenario/disk-space` where it is too small. */
  constructor({ faults, streams, seed, usedSectors }: HostDiskOptions) {
    const disk = new HardDisk(calibrationDisk());
    if (usedSectors > disk.sectors)
      throw new StopcodeError(
        "scenario/disk-space",
        `page files and files take ${mebibytes(usedSectors)}, the host's disk has ${mebibytes(disk.sectors)}`,
        { hint: "give partitions smaller page files, or their processes smaller files" },
      );
    const wanted = Array(streams).fill(CALIBRATION_STREAM);
    const admission = streams === 0 ? null : admit(CALIBRATION_STREAM, wanted.slice(1), disk);
    if (admission !== null && !admission.admitted)
      throw new StopcodeError("scenario/streams", `the disk cannot serve ${streams} streams in time`, {
        hint: `ask for ${admission.missing} fewer`,
      });
    this.#device = new FaultyDevice(disk, faults);
    this.#scheduler = new ContinuousMedia(disk);
    this.#streams = new PeriodicStreams(wanted, disk.sectors, new Random(seed, "media"), this.#numbers);
    this.#dumpAt = usedSectors;
  }

  /** When something is due. */
  get next(): number {
    return Math.min(this.#device.next, this.#streams.next, this.#wakeAt) * TICKS_PER_MILLISECOND;
  }

  /** When something is to be handed to the disk that waits for that time, and not for the disk. */
  get #wakeAt(): number {
    const retry = this.#device.pending < this.#device.depth ? this.#retries.next : Number.POSITIVE_INFINITY;
    return Math.min(retry, this.#scheduler.wakeAt);
  }

  /** Lets the next thing happen: a stream asks, a transfer completes, or something else may go to the disk. */
  step(): void {
    const wakeAt = this.#wakeAt;
    if (wakeAt < Math.min(this.#streams.next, this.#device.next)) this.#dispatch(wakeAt);
    else if (this.#streams.next <= this.#device.next) this.#play();
    else this.#complete();
  }

  #play(): void {
    const request = this.#streams.take();
    this.#add(request, request.arrival, ({ at, status }) => {
      this.#periods++;
      if (status !== "done" || at > request.deadline) this.#missed++;
    });
  }

  #complete(): void {
    const completion = this.#device.complete();
    if (completion === null) return;
    this.#scheduler.completed();
    if (completion.status === "timed-out") this.#timeouts++;
    if (completion.status === "reset") this.#resets++;
    for (const request of completion.request.parts ?? [completion.request]) {
      const ended = this.#retries.ended(request, completion);
      if (ended === null) continue;
      if (ended.status !== "done") this.#failures++;
      const done = this.#waiting.get(request)!;
      this.#waiting.delete(request);
      done(ended);
    }
    this.#dispatch(completion.at);
  }

  /**
   * A page file of so many pages from a sector on, as a guest sees it. `now` tells the host's time; `deliver` has the guest hear of a
   * completion at that time.
   */
  pageFile(
    first: number,
    pages: number,
    now: () => number,
    deliver: (at: number, action: () => void) => void,
  ): PageFileDevice {
    let dumpMode = false;
    const submit = (page: number, requestClass: RequestClass, bytes: Uint8Array | null, done: Transferred) => {
      const write = bytes !== null;
      const sector = first + page * PAGE_SECTORS;
      const milliseconds = now() / TICKS_PER_MILLISECOND;
      if (write) this.#writes++;
      else this.#reads++;
      const request = this.#request(sector, PAGE_SECTORS, write, requestClass, milliseconds);
      this.#add(request, milliseconds, ({ status, at, transferred }) => {
        if (write && !dumpMode) this.#store(sector, bytes, transferred);
        const read = this.#contents.get(sector) ?? new Uint8Array(PAGE_SIZE);
        deliver(at * TICKS_PER_MILLISECOND, () => done(NT_STATUS[status], read));
      });
      return request;
    };
    return {
      pages,
      // Whoever reads a page waits for it; nobody waits for one to be written.
      read: (page, done) => void submit(page, "critical", null, done),
      readAhead: (page, done) => {
        const request = submit(page, "low", null, done);
        return { wanted: () => this.#scheduler.raise(request, "critical") };
      },
      write: (page, bytes, done) => void submit(page, "background", bytes, done),
      writePolled: (page, bytes) => {
        dumpMode = true;
        return this.#writePolled(first + page * PAGE_SECTORS, bytes, now() / TICKS_PER_MILLISECOND);
      },
    };
  }

  #writePolled(sector: number, bytes: Uint8Array, now: number): PolledTransfer {
    const transfer: { status: number | null } = { status: null };
    this.#writes++;
    const request = this.#request(sector, bytes.length / SECTOR_BYTES, true, "normal", now);
    this.#add(request, now, ({ status, transferred }) => {
      this.#store(sector, bytes, transferred);
      transfer.status = NT_STATUS[status];
    });
    return transfer;
  }

  /** What lies in so many pages from a sector on. */
  contentOf(first: number, pages: number): Uint8Array {
    const content = new Uint8Array(pages * PAGE_SIZE);
    for (let page = 0; page < pages; page++) {
      const bytes = this.#contents.get(first + page * PAGE_SECTORS);
      if (bytes !== undefined) content.set(bytes, page * PAGE_SIZE);
    }
    return content;
  }

  /** Files from a sector on, as a guest sees them; `now` and `deliver` as for a page file. */
  files(first: number, now: () => number, deliver: (at: number, action: () => void) => void): FileDevice {
    return {
      read: (offset, bytes, priority, done) => {
        const milliseconds = now() / TICKS_PER_MILLISECOND;
        const sector = first + offset / SECTOR_BYTES;
        const request = this.#request(sector, bytes / SECTOR_BYTES, false, FILE_CLASS[priority], milliseconds);
        this.#fileReads++;
        this.#add(request, milliseconds, ({ status, at }) =>
          deliver(at * TICKS_PER_MILLISECOND, () => done(NT_STATUS[status])),
        );
      },
    };
  }

  /** Puts the first sectors of some pages in place of what was there. */
  #store(sector: number, bytes: Uint8Array, sectors: number): void {
    for (let done = 0; done < sectors; done += PAGE_SECTORS) {
      const page = this.#contents.get(sector + done)?.slice() ?? new Uint8Array(PAGE_SIZE);
      const end = Math.min(sectors, done + PAGE_SECTORS);
      page.set(bytes.subarray(done * SECTOR_BYTES, end * SECTOR_BYTES));
      this.#contents.set(sector + done, page);
    }
  }

  /** A dump of so many bytes is written from now on, behind everything that somebody waits for. */
  writeDump(bytes: number, ticks: number): void {
    this.#dumpLeft += Math.ceil(bytes / SECTOR_BYTES);
    this.#writeOn(ticks / TICKS_PER_MILLISECOND);
  }

  counters(): Readonly<Record<string, number>> {
    return {
      pageReads: this.#reads,
      pageWrites: this.#writes,
      fileReads: this.#fileReads,
      failures: this.#failures,
      retries: this.#retries.count,
      timeouts: this.#timeouts,
      resets: this.#resets,
      dumpBytes: this.#dumpSectors * SECTOR_BYTES,
      dumpBytesLeft: (this.#dumpLeft + this.#dumpOpen * DUMP_SECTORS) * SECTOR_BYTES,
      dumpBytesLost: this.#dumpLost * SECTOR_BYTES,
      mediaPeriods: this.#periods,
      mediaMisses: this.#missed,
    };
  }

  #writeOn(now: number): void {
    while (this.#dumpOpen < DUMP_DEPTH && this.#dumpLeft > 0) {
      const sectors = Math.min(DUMP_SECTORS, this.#dumpLeft);
      const request = this.#request(this.#dumpAt, sectors, true, "background", now);
      this.#dumpAt += sectors;
      this.#dumpLeft -= sectors;
      this.#dumpOpen++;
      this.#add(request, now, ({ at, status }) => {
        this.#dumpOpen--;
        if (status === "done") this.#dumpSectors += sectors;
        else this.#dumpLost += sectors;
        this.#writeOn(at);
      });
    }
  }

  #request(sector: number, sectors: number, write: boolean, requestClass: RequestClass, arrival: number): BlockRequest {
    return {
      id: this.#numbers.next(),
      sector,
      sectors,
      write,
      arrival,
      owner: MACHINE,
      class: requestClass,
      deadline: Number.POSITIVE_INFINITY,
    };
  }

  #add(request: BlockRequest, now: number, done: (completion: Completion) => void): void {
    this.#waiting.set(request, done);
    this.#scheduler.add(request);
    this.#dispatch(now);
  }

  #dispatch(now: number): void {
    while (this.#device.pending < this.#device.depth) {
      const request = this.#retries.take(now) ?? this.#scheduler.take(now);
      if (request === null) return;
      this.#device.submit(request, now);
    }
  }
}
