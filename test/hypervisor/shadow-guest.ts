import { type GuestFrames, MAP_ALL, MAP_ENTRIES, MAP_FRAME, mapEntry } from "../../src/hypervisor/frame-map.ts";
import { ShadowEngine, type ShadowOptions, ShadowPageTables } from "../../src/hypervisor/translation/shadow/index.ts";
import {
  CR0_PE,
  CR0_PG,
  CR0_WP,
  CR4_PAE,
  CR4_PGE,
  EFER_LMA,
  EFER_LME,
  EFER_NXE,
  type PagingState,
} from "../../src/paging/index.ts";

export const P = 1n;
export const W = 2n;
export const U = 4n;
export const A = 1n << 5n;
export const D = 1n << 6n;
export const PS = 1n << 7n;
export const G = 1n << 8n;
export const NX = 1n << 63n;

/** Guest frames whose host frames are not theirs in order, so that no test can mistake the one for the other. */
const HOST_OFFSET = 512;

/** A partition's memory of so many pages, with guest tables to be written entry by entry. */
export class GuestMachine implements GuestFrames {
  readonly words: Int32Array;
  readonly map = new Int32Array(MAP_ENTRIES);

  constructor(pages: number) {
    this.words = new Int32Array((pages + HOST_OFFSET) * 1024);
    for (let page = 0; page < pages; page++) this.map[page] = mapEntry(page + HOST_OFFSET, MAP_ALL);
  }

  /** System physical address of a guest physical one. */
  spa(gpa: number): number {
    return ((this.map[gpa >>> 12]! & MAP_FRAME) | (gpa & 0xfff)) >>> 0;
  }

  entry(gpa: number): bigint {
    const at = this.spa(gpa) / 4;
    return (BigInt(this.words[at + 1]! >>> 0) << 32n) | BigInt(this.words[at]! >>> 0);
  }

  setEntry(gpa: number, value: bigint): void {
    const at = this.spa(gpa) / 4;
    this.words[at] = Number(BigInt.asIntN(32, value));
    this.words[at + 1] = Number(BigInt.asIntN(32, value >> 32n));
  }
}

export const pte = (frame: number, flags: bigint) => (BigInt(frame) << 12n) | flags;

/** Four tables in frames `root` to `root` + 3, one below the other at index 0; the last is empty. */
export function tableChain(machine: GuestMachine, root: number, flags = P | W | U): void {
  for (let frame = root; frame < root + 3; frame++) machine.setEntry(frame * 4096, pte(frame + 1, flags));
}

/** Where the entry of one of the first 512 linear pages stands, in tables made by `tableChain`. */
export const leafAt = (root: number, page: number) => (root + 3) * 4096 + page * 8;

export function longMode(root: number): PagingState {
  return {
    cr0: CR0_PE | CR0_WP | (CR0_PG | 0),
    cr3: root * 4096,
    cr4: CR4_PAE | CR4_PGE,
    efer: EFER_LME | EFER_LMA | EFER_NXE,
    pkru: 0,
  };
}

/** A processor on shadow tables, driven by its control registers. */
export class ShadowProcessor {
  readonly state: PagingState;
  readonly engine: ShadowEngine;

  constructor(tables: ShadowPageTables, processor: number, root: number) {
    this.state = longMode(root);
    this.engine = new ShadowEngine({ tables, processor, state: this.state });
  }

  /** Translates a linear address of the lower half, below 4 GiB. */
  at(linear: number, access = 0): number {
    return this.engine.translate(0, linear | 0, access);
  }

  set(change: Partial<PagingState>, keep = false): void {
    const previous = { ...this.state };
    Object.assign(this.state, change);
    this.engine.controlChanged(previous, keep);
  }

  loadRoot(root: number, keep = false): void {
    this.set({ cr3: root * 4096 }, keep);
  }

  invalidate(linear: number): void {
    this.engine.invalidatePage(0, linear | 0);
  }

  count(name: string): number {
    return this.engine.counters()[name]!;
  }
}

/** A partition with shadow tables; tables for the first 512 linear pages in frames 1 to 4. */
export function shadowPartition(options: Partial<ShadowOptions> & { pages?: number } = {}) {
  const machine = new GuestMachine(options.pages ?? 2048);
  tableChain(machine, 1);
  const tables = new ShadowPageTables({ frames: machine, processors: 8, ...options });
  const processors = Array.from(
    { length: options.processors ?? 8 },
    (_, index) => new ShadowProcessor(tables, index, 1),
  );
  return { machine, tables, processors, processor: processors[0]! };
}
