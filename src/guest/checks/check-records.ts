import {
  CHECK_RECORDS_SIGNATURE,
  CHECK_RECORDS_VERSION,
  checkEntry,
  checkRecords,
  KERNEL_CHECKS,
  USER_SHARED_DATA_ADDRESS,
  userSharedData,
} from "../../dumpfile/index.ts";
import type { KernelMemory } from "../memory/kernel-memory.ts";
import type { SystemPtes } from "../memory/system-ptes.ts";
import { TICKS_PER_SECOND } from "../threads/virtual-clock.ts";
import type { ArmedKernelCheck } from "./armed-checks.ts";

/** Entries that fit the page which tracking takes for them: callers beyond are not told apart and not recorded. */
const ENTRY_CAPACITY = Math.floor(4096 / checkEntry.size);
const OWNER_BYTES = 2n;

/** Seconds in which a driver that starts has taken what it keeps. */
const QUICK_SECONDS = 5;

/** A driver that holds one in so many system PTEs or more is called excessive; where all hold less, there are too few for all. */
export const EXCESSIVE_SHARE = 4;

/** Whoever holds the most system PTEs. */
export interface BiggestUser {
  readonly moduleBase: bigint;
  readonly heldPtes: number;
}

/**
 * The block that says which checks are armed, and what they record: PTE tracking counts every reservation and release by its
 * caller, special pool how many of the blocks it was to hold it has held. Everything lies in nonpaged guest memory. With
 * nothing armed, nothing is recorded.
 */
export class CheckRecords {
  /** Writes of records since the kernel started. */
  written = 0;
  readonly armed: readonly ArmedKernelCheck[];
  readonly #block: bigint;
  readonly #entries: bigint;
  /** For each system PTE that begins a run: one more than the index of the entry of who reserved it. */
  readonly #owners: bigint;
  readonly #memory: KernelMemory;
  readonly #ptes: SystemPtes;

  constructor(
    block: bigint,
    armed: readonly ArmedKernelCheck[],
    memory: KernelMemory,
    ptes: SystemPtes,
    allocatePages: (bytes: number) => bigint,
  ) {
    this.armed = armed;
    this.#block = block;
    this.#memory = memory;
    this.#ptes = ptes;
    const isArmed = (wanted: string) => armed.some(({ check }) => check === wanted);
    const tracks = isArmed("pte-tracking");
    this.#entries = tracks ? allocatePages(ENTRY_CAPACITY * checkEntry.size) : 0n;
    this.#owners = tracks ? allocatePages(ptes.total * Number(OWNER_BYTES)) : 0n;
    memory.put(checkRecords, block, {
      signature: CHECK_RECORDS_SIGNATURE,
      version: CHECK_RECORDS_VERSION,
      armedMask: KERNEL_CHECKS.reduce((mask, check, bit) => (isArmed(check) ? mask | (1 << bit) : mask), 0),
      totalPtes: BigInt(ptes.total),
      freePtes: BigInt(ptes.total),
      largestFreeRun: BigInt(ptes.total),
      entries: this.#entries,
      entryCapacity: tracks ? ENTRY_CAPACITY : 0,
    });
  }

  /** PTE tracking is armed. */
  get tracksPtes(): boolean {
    return this.#entries !== 0n;
  }

  /** Records a reservation; only while PTEs are tracked. */
  reserved(first: number, count: number, caller: bigint, moduleBase: bigint): void {
    const index = this.#entryOf(caller, moduleBase);
    if (index < 0) return;
    const { processor } = this.#memory;
    const entry = this.#entry(index);
    const { calls, heldPtes } = checkEntry.fields;
    processor.writeU32(entry + BigInt(calls.offset), processor.readU32(entry + BigInt(calls.offset)) + 1);
    this.#add(entry + BigInt(heldPtes.offset), count);
    processor.writeU16(this.#owner(first), index + 1);
    this.written++;
  }

  /** Records that a run was given back; only while PTEs are tracked. */
  released(first: number, count: number): void {
    const { processor } = this.#memory;
    const index = processor.readU16(this.#owner(first)) - 1;
    if (index < 0) return;
    const entry = this.#entry(index);
    const { releasedCalls, heldPtes } = checkEntry.fields;
    processor.writeU32(
      entry + BigInt(releasedCalls.offset),
      processor.readU32(entry + BigInt(releasedCalls.offset)) + 1,
    );
    this.#add(entry + BigInt(heldPtes.offset), -count);
    processor.writeU16(this.#owner(first), 0);
    this.written++;
  }

  /** Records an allocation that was to come from special pool; `given`: it did. */
  allocatedSpecially(given: boolean): void {
    const { specialEligible, specialGiven } = checkRecords.fields;
    this.#add(this.#block + BigInt(specialEligible.offset), 1);
    if (given) this.#add(this.#block + BigInt(specialGiven.offset), 1);
    this.written++;
  }

  /** Of a thousand allocations that were to come from special pool, how many did; null when none was to. */
  specialCoverage(): number | null {
    const { specialEligible, specialGiven } = checkRecords.fields;
    const read = ({ offset }: { readonly offset: number }) =>
      Number(this.#memory.processor.readU64(this.#block + BigInt(offset)));
    const eligible = read(specialEligible);
    return eligible === 0 ? null : Math.floor((read(specialGiven) * 1000) / eligible);
  }

  /** Brings the counts of free PTEs up to date, for whoever reads the dump. */
  summarize(): void {
    this.#memory.put(checkRecords, this.#block, {
      freePtes: BigInt(this.#ptes.free),
      largestFreeRun: BigInt(this.#ptes.largestFreeRun()),
    });
  }

  /** By module; null when nothing was recorded. */
  biggestUser(): BiggestUser | null {
    const [biggest] = [...this.#users()].sort((a, b) => b[1].held - a[1].held);
    return biggest ? { moduleBase: biggest[0], heldPtes: biggest[1].held } : null;
  }

  /**
   * Whoever does not stop taking PTEs: when three quarters come to be in use, it has taken most of those that were taken since half of them were, and
   * holds a share that is excessive. Who takes its share at its start is quick about it, and is none. To be asked after each reservation.
   */
  growingUser(): BiggestUser | null {
    const { total, free } = this.#ptes;
    const used = total - free;
    if (used * 4 < total * 3) this.#noteHalf(used * 2 >= total ? used : 0);
    const { usedAtHalf, halfUsedAt, wasJudged } = checkRecords.read(
      this.#memory.processor.read(this.#block, checkRecords.size),
    );
    if (used * 4 < total * 3 || usedAtHalf === 0 || wasJudged === 1) return null;
    this.#memory.put(checkRecords, this.#block, { wasJudged: 1 });
    if (this.#now() - halfUsedAt < BigInt(QUICK_SECONDS * TICKS_PER_SECOND)) return null;
    for (const [moduleBase, { held, heldAtHalf }] of this.#users())
      if (held * EXCESSIVE_SHARE >= total && (held - heldAtHalf) * 2 > used - usedAtHalf)
        return { moduleBase, heldPtes: held };
    return null;
  }

  /** @param used PTEs in use; 0 where that is less than half */
  #noteHalf(used: number): void {
    const { processor } = this.#memory;
    const { usedAtHalf } = checkRecords.fields;
    const noted = processor.readU32(this.#block + BigInt(usedAtHalf.offset));
    if ((noted === 0) === (used === 0)) return;
    this.#memory.put(checkRecords, this.#block, { usedAtHalf: used, halfUsedAt: this.#now(), wasJudged: 0 });
    const { heldPtes, heldAtHalf } = checkEntry.fields;
    const count = this.#entryCount;
    for (let index = 0; index < count; index++) {
      const entry = this.#entry(index);
      processor.writeU64(entry + BigInt(heldAtHalf.offset), processor.readU64(entry + BigInt(heldPtes.offset)));
    }
  }

  /** 100 ns since the start, as of the last clock interrupt. */
  #now(): bigint {
    return this.#memory.processor.readU64(
      USER_SHARED_DATA_ADDRESS + BigInt(userSharedData.fields.interruptTime.offset),
    );
  }

  #users(): Map<bigint, { held: number; heldAtHalf: number }> {
    const users = new Map<bigint, { held: number; heldAtHalf: number }>();
    const count = this.#entryCount;
    for (let index = 0; index < count; index++) {
      const entry = checkEntry.read(this.#memory.processor.read(this.#entry(index), checkEntry.size));
      const user = users.get(entry.moduleBase) ?? { held: 0, heldAtHalf: 0 };
      user.held += Number(entry.heldPtes);
      user.heldAtHalf += Number(entry.heldAtHalf);
      users.set(entry.moduleBase, user);
    }
    return users;
  }

  get #entryCount(): number {
    return this.#memory.processor.readU32(this.#block + BigInt(checkRecords.fields.entryCount.offset));
  }

  /** The caller's entry, a new one if it has none; -1 when there is no room for one. */
  #entryOf(caller: bigint, moduleBase: bigint): number {
    const count = this.#entryCount;
    for (let index = 0; index < count; index++)
      if (this.#memory.processor.readU64(this.#entry(index)) === caller) return index;
    if (count === ENTRY_CAPACITY) return -1;
    this.#memory.put(checkEntry, this.#entry(count), { caller, moduleBase });
    this.#memory.put(checkRecords, this.#block, { entryCount: count + 1 });
    return count;
  }

  #entry(index: number): bigint {
    return this.#entries + BigInt(index * checkEntry.size);
  }

  #owner(first: number): bigint {
    return this.#owners + BigInt(first) * OWNER_BYTES;
  }

  #add(address: bigint, by: number): void {
    const { processor } = this.#memory;
    processor.writeU64(address, processor.readU64(address) + BigInt(by));
  }
}
