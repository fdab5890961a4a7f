import {
  createEngine,
  type EngineKind,
  MAP_ALL,
  mapEntry,
  type TranslationEngine,
} from "../../src/hypervisor/index.ts";
import {
  CR0_PE,
  CR0_PG,
  CR0_WP,
  CR4_PAE,
  CR4_PGE,
  EFER_LME,
  EFER_NXE,
  type PagingState,
} from "../../src/paging/index.ts";

/** Host frames lie backwards, so that a guest's address taken for the host's is seen. */
const hostFrameOf = (page: number, pages: number) => pages - 1 - page;

export interface Outcome {
  /** Guest physical address; -1 for a refusal. */
  at: number;
  refusal: number;
  errorCode: number;
}

/** One engine over a few pages of guest memory of its own, with the bare means to write page tables in it. */
export class EngineMachine {
  readonly words: Int32Array;
  readonly map = new Int32Array(2 ** 20);
  readonly pages: number;
  readonly state: PagingState = {
    cr0: CR0_PE | CR0_WP | CR0_PG,
    cr3: 0x1000,
    cr4: CR4_PAE | CR4_PGE,
    efer: EFER_LME | EFER_NXE,
    pkru: 0,
  };
  readonly engine: TranslationEngine;

  constructor(kind: EngineKind, pages = 256) {
    this.pages = pages;
    this.words = new Int32Array(pages * 1024);
    for (let page = 0; page < pages; page++) this.map[page] = mapEntry(hostFrameOf(page, pages), MAP_ALL);
    this.engine = createEngine(kind, { memory: this, state: this.state });
  }

  entry(gpa: number): bigint {
    const at = this.#wordAt(gpa);
    return (BigInt(this.words[at + 1]! >>> 0) << 32n) | BigInt(this.words[at]! >>> 0);
  }

  setEntry(gpa: number, value: bigint): void {
    const at = this.#wordAt(gpa);
    this.words[at] = Number(BigInt.asIntN(32, value));
    this.words[at + 1] = Number(BigInt.asIntN(32, value >> 32n));
  }

  /** Loads control registers, and says so. */
  load(change: Partial<PagingState>, keep = false): void {
    const previous = { ...this.state };
    Object.assign(this.state, change);
    this.engine.controlChanged(previous, keep);
  }

  access(linear: number | bigint, access = 0): Outcome {
    const address = BigInt(linear);
    const { engine } = this;
    const spa = engine.translate(Number(BigInt.asIntN(32, address >> 32n)), Number(BigInt.asIntN(32, address)), access);
    if (spa < 0) return { at: -1, refusal: engine.refusal, errorCode: engine.errorCode };
    return { at: hostFrameOf(Math.floor(spa / 4096), this.pages) * 4096 + (spa % 4096), refusal: 0, errorCode: 0 };
  }

  #wordAt(gpa: number): number {
    return hostFrameOf(Math.floor(gpa / 4096), this.pages) * 1024 + ((gpa % 4096) >>> 2);
  }
}

/** Tables at `root` and the three pages after it, of which the upper three lead to the last: linear pages 0 to 511. */
export function buildTables(machine: EngineMachine, root: number, flags = 7n): void {
  for (let table = root; table < root + 0x3000; table += 0x1000)
    machine.setEntry(table, BigInt(table + 0x1000) | flags);
}

export const leafAt = (root: number, page: number) => root + 0x3000 + page * 8;
