import { POOL_TRAILER_SIGNATURE, poolEntry, poolTracking, poolTrailer } from "../../dumpfile/index.ts";
import type { KernelMemory } from "./kernel-memory.ts";

/** Page frames of a machine for which the table has a page. */
const FRAMES_PER_TABLE_PAGE = 512;
/** In `block` of an entry that was used before: a search goes on behind it. */
const USED_BEFORE = 1n;
/** Blocks begin at multiples of so many bytes. */
const BLOCK_SHIFT = 4n;

/** Pages of the table. */
export const poolTrackingPages = (physicalPages: number): number =>
  Math.max(1, Math.ceil(physicalPages / FRAMES_PER_TABLE_PAGE));

/** A block as its driver asked for it. */
export interface TrackedBlock {
  readonly block: bigint;
  readonly bytes: number;
  readonly poolTag: number;
  /** Return address in the driver. */
  readonly caller: bigint;
  /** It has room for a trailer behind it. */
  readonly guarded: boolean;
}

/** What was wrong behind a block when it was freed: kinds of bug check 0xC4, as its first parameter has them. */
export const TRAILER_VIOLATION = { changed: 0x51, otherEntry: 0x52, noEntry: 0x54 } as const;

/** Raised at a free: the bytes behind a block are not what was put there. */
export class TrailerDamage extends Error {
  override readonly name = "TrailerDamage";
  readonly kind: keyof typeof TRAILER_VIOLATION;
  /** Third and fourth parameter of 0xC4. */
  readonly details: readonly [bigint, bigint];

  constructor(kind: TrailerDamage["kind"], details: TrailerDamage["details"]) {
    super(`pool tracking: ${kind}`);
    this.kind = kind;
    this.details = details;
  }
}

/**
 * Which blocks of pool the tracked drivers have not freed, who asked for them, and with which tag: a table in nonpaged memory, searched by the
 * block's address. Behind each block of the ordinary pool stands which entry is its own, so that a write past the end shows when it is freed.
 */
export class PoolTracking {
  readonly #variable: bigint;
  readonly #entries: bigint;
  readonly #capacity: number;
  readonly #memory: KernelMemory;

  /**
   * @param place.variable address of LabPoolTracking
   * @param place.table address of so many zeroed pages
   */
  constructor(
    place: { readonly variable: bigint; readonly table: bigint; readonly pages: number },
    memory: KernelMemory,
  ) {
    this.#variable = place.variable;
    this.#entries = place.table;
    this.#capacity = (place.pages * 4096) / poolEntry.size;
    this.#memory = memory;
    memory.put(poolTracking, place.variable, { entries: place.table, capacity: this.#capacity });
  }

  /** Records a block and writes its trailer. A block for which the table has no room is only counted. */
  record({ block, bytes, poolTag, caller, guarded }: TrackedBlock): void {
    const { processor } = this.#memory;
    const inUse = processor.readU32(this.#variable + BigInt(poolTracking.fields.inUse.offset));
    if (inUse === this.#capacity) {
      this.#count("missed", 1);
      return;
    }
    const index = this.#search(block, (found) => found <= USED_BEFORE);
    this.#memory.put(poolEntry, this.#entry(index), {
      block,
      caller,
      bytes: BigInt(bytes),
      poolTag,
      guarded: Number(guarded),
    });
    if (guarded) {
      const trailer = new Uint8Array(poolTrailer.size);
      poolTrailer.write(trailer, 0, { entry: index, signature: POOL_TRAILER_SIGNATURE });
      processor.write(block + BigInt(bytes), trailer);
    }
    this.#count("inUse", 1);
    this.#count("tracked", 1);
  }

  /** What is recorded of a block; null for one that is not. */
  find(block: bigint): TrackedBlock | null {
    const index = this.#indexOf(block);
    if (index < 0) return null;
    const entry = this.#read(index);
    return { ...entry, bytes: Number(entry.bytes), guarded: entry.guarded === 1 };
  }

  /** Holds what stands behind a recorded block against the record. @throws TrailerDamage */
  examine({ block, bytes }: TrackedBlock): void {
    const behind = block + BigInt(bytes);
    const { entry, signature } = poolTrailer.read(this.#memory.processor.read(behind, poolTrailer.size));
    if (entry >= this.#capacity) throw new TrailerDamage("noEntry", [0n, BigInt(this.#capacity)]);
    if (this.#read(entry).block !== block) throw new TrailerDamage("otherEntry", [this.#entry(entry), BigInt(bytes)]);
    if (signature !== POOL_TRAILER_SIGNATURE) throw new TrailerDamage("changed", [behind, BigInt(bytes)]);
  }

  /** Strikes a recorded block off. */
  forget(block: bigint): void {
    this.#memory.put(poolEntry, this.#entry(this.#indexOf(block)), { block: USED_BEFORE });
    this.#count("inUse", -1);
  }

  /** How many blocks are recorded that code between two addresses has asked for. */
  heldFrom(first: bigint, end: bigint): number {
    let held = 0;
    for (let index = 0; index < this.#capacity; index++) {
      const { block, caller } = this.#read(index);
      if (block > USED_BEFORE && caller >= first && caller < end) held++;
    }
    return held;
  }

  #indexOf(block: bigint): number {
    return this.#search(block, (found) => found === block, true);
  }

  /** The first entry that will do, from the block's own place on; -1 when none will. @param stops an entry that was never used ends the search */
  #search(block: bigint, willDo: (found: bigint) => boolean, stops = false): number {
    const home = Number((block >> BLOCK_SHIFT) % BigInt(this.#capacity));
    for (let step = 0; step < this.#capacity; step++) {
      const index = (home + step) % this.#capacity;
      const found = this.#memory.processor.readU64(this.#entry(index));
      if (willDo(found)) return index;
      if (stops && found === 0n) return -1;
    }
    return -1;
  }

  #read(index: number) {
    return poolEntry.read(this.#memory.processor.read(this.#entry(index), poolEntry.size));
  }

  #entry(index: number): bigint {
    return this.#entries + BigInt(index * poolEntry.size);
  }

  #count(field: "inUse" | "tracked" | "missed", by: number): void {
    const { processor } = this.#memory;
    const { offset, bytes } = poolTracking.fields[field];
    const at = this.#variable + BigInt(offset);
    if (bytes === 4) processor.writeU32(at, processor.readU32(at) + by);
    else processor.writeU64(at, processor.readU64(at) + BigInt(by));
  }
}
