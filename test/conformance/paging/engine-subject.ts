import { type GuestPhysicalMemory, Hypervisor } from "../../../src/hypervisor/index.ts";
import type { Refusal, TranslationEngine } from "../../../src/hypervisor/translation/engine.ts";
import { ACCESS_WRITE, FAULT_NONE, type PagingState } from "../../../src/paging/index.ts";
import { WINDOW_END, windowHigh } from "./path.ts";
import { type Levels, SUBJECT_MEMORY, type Subject, type SubjectOptions } from "./subject.ts";

const PAGE_SHIFT = 12;
const PAGE = 1 << PAGE_SHIFT;
const HOST_MEMORY = SUBJECT_MEMORY + 2 * 2 ** 20;

/** An engine for one processor of a partition with this memory; `state` is the processor's, and kept. */
export type EngineMaker = (
  memory: GuestPhysicalMemory,
  state: Readonly<PagingState>,
  maxPhysicalAddressBits: number,
) => TranslationEngine;

/**
 * A translation engine over a partition. Once it has an address space, its page tables are read and written as a guest
 * does it: by linear addresses that the engine translates, so whatever the engine keeps lazily it has to notice by itself.
 */
export class EngineSubject implements Subject {
  readonly name: string;
  physicalAddress = 0;
  fault: Refusal = FAULT_NONE;
  errorCode = 0;
  entryLow = 0;
  entryHigh = 0;

  readonly engine: TranslationEngine;
  readonly memory: GuestPhysicalMemory;
  readonly #state: PagingState = { cr0: 0, cr3: 0, cr4: 0, efer: 0, pkru: 0 };
  readonly #previous: PagingState = { ...this.#state };
  readonly #windowHigh: number;
  readonly #words: Int32Array;
  /** Guest page by host frame. */
  readonly #guestPage: Int32Array;
  #started = false;

  constructor(name: string, makeEngine: EngineMaker, options: SubjectOptions, levels: Levels) {
    this.name = name;
    const hypervisor = new Hypervisor({ memoryBytes: HOST_MEMORY });
    // Host frames that differ from the guest's: taking one for the other is to be seen.
    hypervisor.createPartition({ name: "first", memoryBytes: HOST_MEMORY - SUBJECT_MEMORY, processors: 1 });
    const partition = hypervisor.createPartition({ name: "subject", memoryBytes: SUBJECT_MEMORY, processors: 1 });
    this.memory = partition.memory;
    this.#words = this.memory.words;
    this.#guestPage = new Int32Array(HOST_MEMORY / PAGE).fill(-1);
    for (let page = 0; page < this.memory.pages; page++) this.#guestPage[this.memory.hostFrame(page)!] = page;
    this.engine = makeEngine(this.memory, this.#state, options.maxPhysicalAddressBits);
    this.memory.onMapChange((firstPage, pageCount) => this.engine.guestMapChanged(firstPage, pageCount));
    this.#windowHigh = windowHigh(levels);
  }

  setControls(cr0: number, cr4: number, efer: number, pkru: number): void {
    const state = this.#state;
    // PKRU is the user's to write and no control register: engines look at it at each access.
    state.pkru = pkru;
    if (state.cr0 === cr0 && state.cr4 === cr4 && state.efer === efer) return;
    this.#keepPrevious();
    state.cr0 = cr0;
    state.cr4 = cr4;
    state.efer = efer;
    this.engine.controlChanged(this.#previous, false);
  }

  setRoot(cr3: number, keep: boolean): void {
    this.#keepPrevious();
    this.#state.cr3 = cr3;
    this.#started = true;
    this.engine.controlChanged(this.#previous, keep);
  }

  readWord(address: number): number {
    return this.#isSeen(address) ? this.#words[this.#look(address, 0)]! : this.memory.readWord(address);
  }

  readEntry(address: number): void {
    const word = this.#look(address, 0);
    this.entryLow = this.#words[word]!;
    this.entryHigh = this.#words[word + 1]!;
  }

  writeWord(address: number, value: number): void {
    if (this.#isSeen(address)) this.#words[this.#look(address, ACCESS_WRITE)] = value;
    else this.memory.writeWord(address, value);
  }

  invalidatePage(high: number, low: number): void {
    this.engine.invalidatePage(high, low);
  }

  invalidatePcid(type: 0 | 1 | 2 | 3, pcid: number, high: number, low: number): void {
    this.engine.invalidatePcid(type, pcid, high, low);
  }

  access(high: number, low: number, access: number): boolean {
    const { engine } = this;
    const system = engine.translate(high, low, access);
    if (system >= 0) {
      this.fault = FAULT_NONE;
      this.errorCode = 0;
      this.physicalAddress = this.#guestAddress(system);
      return true;
    }
    this.fault = engine.refusal;
    this.errorCode = engine.errorCode;
    this.physicalAddress = engine.guestPhysicalAddress;
    return false;
  }

  /** Whether the guest has a window onto its tables already, and this address lies in it. */
  #isSeen(address: number): boolean {
    return this.#started && address < WINDOW_END;
  }

  /** Index of the host word that an access through the window comes to. */
  #look(address: number, access: number): number {
    const system = this.engine.translate(this.#windowHigh, address, access);
    if (system < 0)
      throw new Error(
        `${this.name}: the window onto the tables refuses ${address.toString(16)}, error code ${this.engine.errorCode}`,
      );
    return system >>> 2;
  }

  #guestAddress(system: number): number {
    return this.#guestPage[system >>> PAGE_SHIFT]! * PAGE + (system & (PAGE - 1));
  }

  #keepPrevious(): void {
    const previous = this.#previous;
    const state = this.#state;
    previous.cr0 = state.cr0;
    previous.cr3 = state.cr3;
    previous.cr4 = state.cr4;
    previous.efer = state.efer;
    previous.pkru = state.pkru;
  }
}
