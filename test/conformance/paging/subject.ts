import type { Refusal } from "../../../src/hypervisor/translation/engine.ts";
import {
  FAULT_NONE,
  PageWalker,
  type PageWalkerOptions,
  type PagingState,
  type TableMemory,
} from "../../../src/paging/index.ts";

export type Levels = 4 | 5;

/** What a processor was made as. */
export type SubjectOptions = Pick<PageWalkerOptions, "maxPhysicalAddressBits" | "gigabytePages">;

/**
 * A processor and its memory as software on it meets them: whatever translates addresses is tested through this face.
 * Memory is addressed by guest physical byte addresses below `SUBJECT_MEMORY`.
 */
export interface Subject {
  readonly name: string;
  /** Sets the control registers; nothing happens where they hold these values already. Allocates nothing. */
  setControls(cr0: number, cr4: number, efer: number, pkru: number): void;
  /** MOV to CR3. @param keep bit 63 of the new value: nothing is flushed */
  setRoot(cr3: number, keep: boolean): void;
  readWord(address: number): number;
  /** Reads both halves of a table entry at once, into the fields below. */
  readEntry(address: number): void;
  readonly entryLow: number;
  readonly entryHigh: number;
  writeWord(address: number, value: number): void;
  /** INVLPG. */
  invalidatePage(high: number, low: number): void;
  /** INVPCID. */
  invalidatePcid(type: 0 | 1 | 2 | 3, pcid: number, high: number, low: number): void;
  /** @returns whether the access (`ACCESS_…` bits) is allowed; what it met stands in the fields below */
  access(high: number, low: number, access: number): boolean;
  readonly fault: Refusal;
  readonly errorCode: number;
  /** Guest physical byte address of an access that was allowed, or that the partition's map refused. */
  readonly physicalAddress: number;
}

export type SubjectMaker = (options: SubjectOptions, levels: Levels) => Subject;

/** Bytes of memory that a subject has. */
export const SUBJECT_MEMORY = 4 * 2 ** 20;

/** Memory without anything before it. */
class FlatMemory implements TableMemory {
  readonly #words = new Int32Array(SUBJECT_MEMORY / 4);

  readWord(address: number): number {
    return this.#words[address >>> 2]!;
  }

  writeWord(address: number, value: number): void {
    this.#words[address >>> 2] = value;
  }
}

/** The walker of src/paging by itself: no translation is ever kept, so nothing has to be flushed. */
export class WalkerSubject implements Subject {
  readonly name = "walker";
  physicalAddress = 0;
  errorCode = 0;
  fault: Refusal = FAULT_NONE;
  entryLow = 0;
  entryHigh = 0;

  readonly #memory = new FlatMemory();
  readonly #state: PagingState = { cr0: 0, cr3: 0, cr4: 0, efer: 0, pkru: 0 };
  readonly #walker: PageWalker;

  /** @param tablesOf what the walker sees of the memory */
  constructor(options: SubjectOptions, tablesOf = (memory: TableMemory) => memory) {
    this.#walker = new PageWalker(tablesOf(this.#memory), { ...options, setFlags: true });
  }

  setControls(cr0: number, cr4: number, efer: number, pkru: number): void {
    const state = this.#state;
    state.cr0 = cr0;
    state.cr4 = cr4;
    state.efer = efer;
    state.pkru = pkru;
  }

  setRoot(cr3: number): void {
    this.#state.cr3 = cr3;
  }

  readWord(address: number): number {
    return this.#memory.readWord(address);
  }

  readEntry(address: number): void {
    this.entryLow = this.#memory.readWord(address);
    this.entryHigh = this.#memory.readWord(address + 4);
  }

  writeWord(address: number, value: number): void {
    this.#memory.writeWord(address, value);
  }

  invalidatePage(_high: number, _low: number): void {}

  invalidatePcid(): void {}

  access(high: number, low: number, access: number): boolean {
    const walker = this.#walker;
    const allowed = walker.walk(this.#state, high, low, access);
    this.fault = walker.fault;
    this.errorCode = walker.errorCode;
    this.physicalAddress = walker.physicalAddress;
    return allowed;
  }
}
