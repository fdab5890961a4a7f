import { PAGE_SIZE } from "../../binary/index.ts";
import type { GuestPhysicalMemory } from "../../hypervisor/index.ts";
import type { PageFileDevice, ReadAhead, Transferred } from "../storage/page-file-device.ts";
import type { PageFrames } from "./page-frames.ts";
import { ACCESSED_BIT, DIRTY_BIT, PAGE_KIND } from "./page-table-entry.ts";
import type { PageTables } from "./page-tables.ts";

/**
 * A page-table entry of a page that is in a page file: not valid, PageFileAllocated, the protection, and where it is (MMPTE_SOFTWARE of
 * Microsoft's public symbols, build 19041).
 */
const PAGE_FILE_ALLOCATED = 1n << 2n;
const READ_WRITE = 4n << 5n;
/** Of a page that is still in memory: not valid, Transition, the protection, and its frame (MMPTE_TRANSITION). */
const TRANSITION = 1n << 11n;
const FRAME_SHIFT = 12n;
const PAGE_FILE_HIGH = 32n;

/** Pages that are read ahead behind one that is wanted. */
const READ_AHEAD = 3;

/**
 * `leaving`: it is being written to the page file; its frame is not given away before that is done. `transition`: it is in its frame, and whoever
 * touches it has it back.
 */
type State = "resident" | "transition" | "leaving" | "out";

interface PageableUnit {
  readonly address: bigint;
  /** It leaves when it was not used for a while; otherwise only when told. */
  readonly trimmed: boolean;
  /** Where in the page file it is when it is out. */
  readonly slot: number;
  frame: number;
  state: State;
  /** It is being written to the page file, even if it is wanted again: it does not leave a second time before that is done. */
  isBeingWritten: boolean;
  /** It came in ahead, and was not changed since: the page file has it as it is. */
  isClean: boolean;
  /** It is being read; whoever waits for it has that told. */
  coming: ReadAhead | null;
  /** Who waits for it to come in. */
  waiting: ((status: number) => void)[];
}

/** A read that is as urgent as can be. */
const WANTED: ReadAhead = { wanted: () => {} };

/**
 * Kernel memory that may leave for the page file. What was not used since the last look leaves; whoever touches it then has a page fault, which
 * brings it back. That it leaves is written to the page file at once, so that its frame can be used by others.
 */
export class PageableMemory {
  /** Its first address. */
  readonly start: bigint;
  readonly #tables: PageTables;
  readonly #frames: PageFrames;
  readonly #physical: GuestPhysicalMemory;
  readonly #device: PageFileDevice | null;
  /** By the address of their page. */
  readonly #units = new Map<bigint, PageableUnit>();
  #allocated = 0;

  /** @param start where its addresses begin @param device null: there is no page file, and nothing leaves */
  constructor(
    start: bigint,
    tables: PageTables,
    frames: PageFrames,
    physical: GuestPhysicalMemory,
    device: PageFileDevice | null,
  ) {
    this.start = start;
    this.#tables = tables;
    this.#frames = frames;
    this.#physical = physical;
    this.#device = device;
  }

  /** Behind the last of its pages. */
  get end(): bigint {
    return this.start + BigInt(this.#allocated * PAGE_SIZE);
  }

  /** New pages, zeroed, next to one another. */
  allocate(pages: number): bigint {
    const first = this.start + BigInt(this.#allocated * PAGE_SIZE);
    this.#allocated += pages;
    for (let page = 0; page < pages; page++) {
      const address = first + BigInt(page * PAGE_SIZE);
      const frame = this.#frames.takeZeroed();
      this.#tables.map(address, frame, PAGE_KIND.kernelData);
      this.#add(address, frame, true);
    }
    return first;
  }

  /** Lets go of mapped pages next to one another, whoever mapped them; where there is no room in the page file, they stay. */
  letGo(address: bigint, pages: number): void {
    for (let page = 0; page < pages; page++) {
      const own = address + BigInt(page * PAGE_SIZE);
      const unit = this.#units.get(own) ?? this.#add(own, this.#tables.translate(own)! / PAGE_SIZE, false);
      if (!this.#canLeave(unit)) continue;
      this.#wasUsed(unit);
      this.#leave(unit, this.#device!);
    }
  }

  /** The address is one of its pages, and that is not there. */
  isAbsent(address: bigint): boolean {
    const unit = this.#unitOf(address);
    return unit !== undefined && unit.state !== "resident";
  }

  /** Has every page that may leave fault at the next touch, in whatever use it is; nothing is written. Tells how many they were. */
  withdraw(): number {
    let pages = 0;
    for (const unit of this.#units.values()) {
      if (!unit.trimmed || unit.state !== "resident") continue;
      this.#wasUsed(unit);
      this.#tables.unmapRun(unit.address, 1);
      const entry = TRANSITION | READ_WRITE | (BigInt(unit.frame) << FRAME_SHIFT);
      this.#physical.writeU64(this.#tables.entry(unit.address), entry);
      unit.state = "transition";
      pages++;
    }
    return pages;
  }

  /** Lets go of what was not used since the last look. */
  trim(): void {
    for (const unit of this.#units.values())
      if (unit.trimmed && this.#canLeave(unit) && !this.#wasUsed(unit)) this.#leave(unit, this.#device!);
  }

  /**
   * Brings the page of an address in, and some behind it, for which nobody waits yet; `done` hears the NTSTATUS, at once where it is there or had
   * not left yet.
   */
  bringIn(address: bigint, done: (status: number) => void): void {
    const unit = this.#unitOf(address)!;
    if (unit.state !== "out") {
      if (unit.state !== "resident") this.#arrive(unit, unit.frame);
      done(0);
      return;
    }
    unit.waiting.push(done);
    if (unit.coming !== null) {
      unit.coming.wanted();
      return;
    }
    unit.coming = WANTED;
    this.#device!.read(unit.slot, this.#arrival(unit));
    for (let page = 1; page <= READ_AHEAD; page++) {
      const next = this.#units.get(unit.address + BigInt(page * PAGE_SIZE));
      if (next === undefined || next.state !== "out" || next.coming !== null) break;
      next.coming = this.#device!.readAhead(next.slot, this.#arrival(next));
    }
  }

  #arrival(unit: PageableUnit): Transferred {
    return (status, bytes) => {
      unit.coming = null;
      const waiting = unit.waiting.splice(0);
      if (status === 0) {
        const frame = this.#frames.takeZeroed();
        this.#physical.write(frame * PAGE_SIZE, bytes);
        unit.isClean = waiting.length === 0;
        this.#arrive(unit, frame);
      }
      for (const done of waiting) done(status);
    };
  }

  /** The page-table entry of an address as it stands. */
  entryOf(address: bigint): bigint {
    return this.#physical.readU64(this.#tables.entry(address));
  }

  /** Which page of the page file is the place of an address. */
  slotOf(address: bigint): number {
    return this.#unitOf(address)!.slot;
  }

  #add(address: bigint, frame: number, trimmed: boolean): PageableUnit {
    const unit: PageableUnit = {
      address,
      trimmed,
      slot: this.#units.size,
      frame,
      state: "resident",
      isBeingWritten: false,
      isClean: false,
      coming: null,
      waiting: [],
    };
    this.#units.set(address, unit);
    return unit;
  }

  /** Whether it was used since the last look; takes note of whether it was changed. */
  #wasUsed(unit: PageableUnit): boolean {
    const flags = new Uint8Array(1);
    this.#tables.takeFlags(unit.address, flags);
    if ((flags[0]! & DIRTY_BIT) !== 0) unit.isClean = false;
    return (flags[0]! & ACCESSED_BIT) !== 0;
  }

  #canLeave({ state, isBeingWritten, slot }: PageableUnit): boolean {
    return state === "resident" && !isBeingWritten && this.#device !== null && slot < this.#device.pages;
  }

  #leave(unit: PageableUnit, device: PageFileDevice): void {
    const bytes = this.#physical.read(unit.frame * PAGE_SIZE, PAGE_SIZE);
    this.#tables.unmapRun(unit.address, 1);
    const entry = PAGE_FILE_ALLOCATED | READ_WRITE | (BigInt(unit.slot) << PAGE_FILE_HIGH);
    this.#physical.writeU64(this.#tables.entry(unit.address), entry);
    if (unit.isClean) {
      unit.state = "out";
      this.#frames.give(unit.frame);
      return;
    }
    unit.state = "leaving";
    unit.isBeingWritten = true;
    device.write(unit.slot, bytes, (status) => {
      unit.isBeingWritten = false;
      if (unit.state !== "leaving") return;
      if (status === 0) {
        unit.state = "out";
        this.#frames.give(unit.frame);
      } else this.#arrive(unit, unit.frame);
    });
  }

  #arrive(unit: PageableUnit, frame: number): void {
    unit.frame = frame;
    unit.state = "resident";
    this.#tables.map(unit.address, frame, unit.isClean ? PAGE_KIND.freshKernelData : PAGE_KIND.kernelData);
  }

  #unitOf(address: bigint): PageableUnit | undefined {
    return this.#units.get(address & ~BigInt(PAGE_SIZE - 1));
  }
}
