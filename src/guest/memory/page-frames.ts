import { layout, PAGE_SIZE, size64, u8, u16, u32, u64 } from "../../binary/index.ts";
import type { GuestPhysicalMemory } from "../../hypervisor/index.ts";

/** MMPFN: one page frame in the PFN database, as far as this kernel uses it. Source: Microsoft's public symbols, build 19041. */
export const pageFrame = layout("MMPFN", 0x30, {
  flink: size64(0x00, "next frame of the list it is in; EMPTY_LIST at the end"),
  pteAddress: u64(0x08),
  shareCount: u64(0x18),
  referenceCount: u16(0x20),
  pageLocation: u8(0x22, "MMLISTS: 1 free, 6 active and valid"),
});

/** MMPFNLIST: head of a list of frames. */
const frameList = layout("MMPFNLIST", 0x20, {
  total: size64(0x00, "frames"),
  listName: u32(0x08, "MMLISTS"),
  flink: size64(0x10),
  blink: size64(0x18),
});

const LOCATION = { free: 1, active: 6 } as const;
/** In a list of frames: no further one. Windows writes all ones; a number holds 2^53 - 1 at most, frames are far fewer. */
const EMPTY_LIST = 0xf_ffff_ffff;

/** Raised when no frame is free: a scenario asks for more than its partition has. */
export class OutOfPageFrames extends Error {
  override readonly name = "OutOfPageFrames";
}

/**
 * Which page frames are free: a list through the PFN database, both in guest memory.
 * Before the database stands, frames are taken from the bottom of memory in order.
 */
export class PageFrames {
  readonly #memory: GuestPhysicalMemory;
  #next: number;
  #database = 0;
  #head = 0;

  constructor(memory: GuestPhysicalMemory, firstFree: number) {
    this.#memory = memory;
    this.#next = firstFree;
  }

  /** Consecutive frames for the structures that boot lays out, before the free list stands. */
  takeEarly(count: number): number {
    const first = this.#next;
    this.#next += count;
    if (this.#next > this.#memory.pages) throw new OutOfPageFrames(`${count} page frames were asked for at boot`);
    return first;
  }

  /**
   * Builds the database and the free list.
   * @param database guest physical address of the database, `pageFrame.size` bytes a frame
   * @param head guest physical address of MmFreePageListHead
   */
  buildFreeList(database: number, head: number): void {
    const memory = this.#memory;
    this.#database = database;
    this.#head = head;
    const { flink, referenceCount, pageLocation, shareCount } = pageFrame.fields;
    for (let frame = 0; frame < memory.pages; frame++) {
      const at = database + frame * pageFrame.size;
      const free = frame >= this.#next;
      memory.writeU8(at + pageLocation.offset, free ? LOCATION.free : LOCATION.active);
      if (free) writeSize(memory, at + flink.offset, frame + 1 < memory.pages ? frame + 1 : EMPTY_LIST);
      else {
        memory.writeU16(at + referenceCount.offset, 1);
        memory.writeU32(at + shareCount.offset, 1);
      }
    }
    const { total, listName } = frameList.fields;
    writeSize(memory, head + total.offset, memory.pages - this.#next);
    memory.writeU32(head + listName.offset, LOCATION.free);
    writeSize(memory, head + frameList.fields.flink.offset, this.#next < memory.pages ? this.#next : EMPTY_LIST);
    writeSize(memory, head + frameList.fields.blink.offset, memory.pages - 1);
  }

  /** Frames on the free list. */
  get available(): number {
    return this.#memory.readU32(this.#head);
  }

  /** Nobody has the frame. */
  isFree(frame: number): boolean {
    return (
      this.#memory.readU8(this.#database + frame * pageFrame.size + pageFrame.fields.pageLocation.offset) ===
      LOCATION.free
    );
  }

  /** A frame; its content is whatever its last owner left. @throws OutOfPageFrames */
  take(): number {
    if (this.#head === 0) return this.takeEarly(1);
    const memory = this.#memory;
    const headFlink = this.#head + frameList.fields.flink.offset;
    const frame = memory.readU32(headFlink);
    if (frame >= memory.pages) throw new OutOfPageFrames("no page frame is free");
    const at = this.#database + frame * pageFrame.size;
    memory.writeU64(headFlink, memory.readU64(at));
    memory.writeU32(this.#head, memory.readU32(this.#head) - 1);
    this.#taken(at);
    return frame;
  }

  /**
   * Consecutive frames, zeroed, the first a multiple of `alignment`: the highest there are. Goes over the whole free list once.
   * @throws OutOfPageFrames when no such run is free
   */
  takeRun(count: number, alignment: number): number {
    const first = this.#findRun(count, alignment);
    const memory = this.#memory;
    const head = this.#head + frameList.fields.flink.offset;
    let last = EMPTY_LIST;
    let link = head;
    for (let frame = memory.readU32(head); frame < memory.pages; frame = memory.readU32(link)) {
      if (frame < first || frame >= first + count) {
        last = frame;
        link = this.#database + frame * pageFrame.size;
        continue;
      }
      const at = this.#database + frame * pageFrame.size;
      memory.writeU64(link, memory.readU64(at));
      this.#taken(at);
      memory.fill(frame * PAGE_SIZE, PAGE_SIZE, 0);
    }
    writeSize(memory, this.#head + frameList.fields.blink.offset, last);
    memory.writeU32(this.#head, memory.readU32(this.#head) - count);
    return first;
  }

  takeZeroed(): number {
    const frame = this.take();
    this.#memory.fill(frame * PAGE_SIZE, PAGE_SIZE, 0);
    return frame;
  }

  give(frame: number): void {
    const memory = this.#memory;
    const headFlink = this.#head + frameList.fields.flink.offset;
    const at = this.#database + frame * pageFrame.size;
    memory.writeU64(at, memory.readU64(headFlink));
    memory.writeU16(at + pageFrame.fields.referenceCount.offset, 0);
    memory.writeU32(at + pageFrame.fields.shareCount.offset, 0);
    memory.writeU8(at + pageFrame.fields.pageLocation.offset, LOCATION.free);
    writeSize(memory, headFlink, frame);
    memory.writeU32(this.#head, memory.readU32(this.#head) + 1);
  }

  /** Another reference to a frame, so that it stays where it is. */
  lock(frame: number): void {
    const at = this.#database + frame * pageFrame.size + pageFrame.fields.referenceCount.offset;
    this.#memory.writeU16(at, this.#memory.readU16(at) + 1);
  }

  /** Takes such a reference back; false: there is none but that of whoever owns the frame. */
  unlock(frame: number): boolean {
    const at = this.#database + frame * pageFrame.size + pageFrame.fields.referenceCount.offset;
    const count = this.#memory.readU16(at);
    if (count <= 1) return false;
    this.#memory.writeU16(at, count - 1);
    return true;
  }

  /** How many page-table entries map a frame, as the database has it. */
  shareCount(frame: number): number {
    return this.#memory.readU32(this.#database + frame * pageFrame.size + pageFrame.fields.shareCount.offset);
  }

  /** Marks a frame that has left the free list. @param at guest physical address of its entry in the database */
  #taken(at: number): void {
    const memory = this.#memory;
    memory.writeU64(at, 0n);
    memory.writeU16(at + pageFrame.fields.referenceCount.offset, 1);
    memory.writeU32(at + pageFrame.fields.shareCount.offset, 1);
    memory.writeU8(at + pageFrame.fields.pageLocation.offset, LOCATION.active);
  }

  #findRun(count: number, alignment: number): number {
    const memory = this.#memory;
    for (let first = memory.pages - (memory.pages % alignment); first >= 0; first -= alignment) {
      if (first + count > memory.pages) continue;
      let free = 0;
      while (free < count && this.isFree(first + free)) free++;
      if (free === count) return first;
    }
    throw new OutOfPageFrames(`no ${count} consecutive page frames are free`);
  }
}

function writeSize(memory: GuestPhysicalMemory, gpa: number, value: number): void {
  memory.writeU32(gpa, value >>> 0);
  memory.writeU32(gpa + 4, Math.floor(value / 2 ** 32));
}
