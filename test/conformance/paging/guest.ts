import { REFUSED_BY_GUEST_MAP } from "../../../src/hypervisor/translation/engine.ts";
import {
  ACCESS_AC,
  ACCESS_FETCH,
  ACCESS_IMPLICIT,
  ACCESS_USER,
  ACCESS_WRITE,
  FAULT_GENERAL_PROTECTION,
} from "../../../src/paging/index.ts";
import { layPath, PATH_END, WINDOW_END, windowEntry } from "./path.ts";
import type { Levels, Subject } from "./subject.ts";

/** Bits of an entry. */
export const P = 1n << 0n;
export const W = 1n << 1n;
export const U = 1n << 2n;
export const A = 1n << 5n;
export const D = 1n << 6n;
export const PS = 1n << 7n;
export const G = 1n << 8n;
export const NX = 1n << 63n;
export const key = (number: number) => BigInt(number) << 59n;

/** Kinds of access, as the tables of the suites write them. */
export const ACCESSES = {
  read: 0,
  write: ACCESS_WRITE,
  fetch: ACCESS_FETCH,
  "read AC": ACCESS_AC,
  "write AC": ACCESS_WRITE | ACCESS_AC,
  "implicit read": ACCESS_IMPLICIT,
  "implicit read AC": ACCESS_IMPLICIT | ACCESS_AC,
  "user read": ACCESS_USER,
  "user write": ACCESS_USER | ACCESS_WRITE,
  "user fetch": ACCESS_USER | ACCESS_FETCH,
} as const;
export type AccessName = keyof typeof ACCESSES;

export interface Settings {
  /** CR0.WP. */
  readonly wp: boolean;
  /** EFER.NXE. */
  readonly nx: boolean;
  readonly smep: boolean;
  readonly smap: boolean;
  readonly pke: boolean;
  readonly pge: boolean;
  readonly pcide: boolean;
  readonly pkru: number;
}

const ERROR_NAMES = ["P", "W", "U", "RSVD", "I", "PK"];
/** Tables lie in the lower half of what the window shows; pages to be mapped may lie in the upper one. */
const TABLES_END = WINDOW_END / 2 / 0x1000;

/** An operating system's view of a subject: address spaces laid out entry by entry, accesses told in words. Not for hot paths. */
export class Guest {
  readonly subject: Subject;
  readonly levels: Levels;
  #settings: Settings = {
    wp: true,
    nx: true,
    smep: false,
    smap: false,
    pke: false,
    pge: false,
    pcide: false,
    pkru: 0,
  };
  #root: number;
  #freePage = PATH_END / 0x1000;

  constructor(subject: Subject, levels: Levels) {
    this.subject = subject;
    this.levels = levels;
    this.set({});
    this.#root = layPath(subject, levels, WINDOW_END);
  }

  /** Sets control registers, EFER and PKRU in one step; flushes nothing by itself. */
  set(change: Partial<Settings>): void {
    this.#settings = { ...this.#settings, ...change };
    const { wp, nx, smep, smap, pke, pge, pcide, pkru } = this.#settings;
    const bit = (on: boolean, number: number) => (on ? 2 ** number : 0);
    this.subject.setControls(
      2 ** 31 + 1 + bit(wp, 16),
      bit(true, 5) +
        bit(pge, 7) +
        bit(this.levels === 5, 12) +
        bit(pcide, 17) +
        bit(smep, 20) +
        bit(smap, 21) +
        bit(pke, 22),
      bit(true, 8) + bit(true, 10) + bit(nx, 11),
      pkru,
    );
  }

  /** An address space that has nothing but the window onto the tables. @returns its root, for `enter` */
  newSpace(): number {
    const root = this.#newTable();
    let table = root;
    if (this.levels === 5) {
      table = this.#newTable();
      this.#writeEntry(root + 8 * windowEntry(5).index, BigInt(table) | P | W | U | A);
    }
    const { index, value } = windowEntry(4);
    this.#writeEntry(table + 8 * index, BigInt(value));
    return root;
  }

  /** MOV to CR3. */
  enter(root: number, pcid = 0, keep = false): void {
    this.#root = root;
    this.subject.setRoot(root + pcid, keep);
  }

  /**
   * Maps a page: tables on the way are made where they are missing, with `upper` bits; the leaf lies on level 1, 2 (2 MiB)
   * or 3 (1 GiB). Nothing is flushed.
   */
  map(linear: bigint, target: number, bits: bigint, { level = 1, upper = P | W | U } = {}): void {
    const at = this.#entryAddress(linear, level, upper);
    this.#writeEntry(at, BigInt(target) | bits | (level > 1 ? PS : 0n));
  }

  /** Address of the entry of a level that a linear address uses. */
  entryAddress(linear: bigint, level: number): number {
    return this.#entryAddress(linear, level, null);
  }

  entry(linear: bigint, level: number): bigint {
    return this.#readEntry(this.entryAddress(linear, level));
  }

  setEntry(linear: bigint, level: number, value: bigint): void {
    this.#writeEntry(this.entryAddress(linear, level), value);
  }

  /** INVLPG. */
  flush(linear: bigint): void {
    this.subject.invalidatePage(highOf(linear), lowOf(linear));
  }

  /** @returns the physical address in hexadecimal, `#GP`, `#PF` with the names of its error code's bits, or what the map refused */
  access(linear: bigint, access: AccessName): string {
    const { subject } = this;
    if (subject.access(highOf(linear), lowOf(linear), ACCESSES[access])) return subject.physicalAddress.toString(16);
    if (subject.fault === FAULT_GENERAL_PROTECTION) return "#GP";
    if (subject.fault === REFUSED_BY_GUEST_MAP)
      return `map refuses page ${(subject.physicalAddress >>> 12).toString(16)}`;
    return ["#PF", ...ERROR_NAMES.filter((_, bit) => (subject.errorCode >> bit) & 1)].join(" ");
  }

  #entryAddress(linear: bigint, wanted: number, make: bigint | null): number {
    let table = this.#root;
    for (let level: number = this.levels; ; level--) {
      const address = table + 8 * Number((linear >> BigInt(3 + 9 * level)) & 511n);
      if (level === wanted) return address;
      let entry = this.#readEntry(address);
      if ((entry & P) === 0n) {
        if (make === null) throw new Error(`no table of level ${level - 1} at ${linear.toString(16)}`);
        entry = BigInt(this.#newTable()) | make;
        this.#writeEntry(address, entry);
      }
      table = Number(entry & 0xf_ffff_ffff_f000n);
    }
  }

  #newTable(): number {
    if (this.#freePage >= TABLES_END) throw new Error("no page is left for tables");
    return this.#freePage++ * 0x1000;
  }

  #readEntry(address: number): bigint {
    const { subject } = this;
    return (BigInt(subject.readWord(address + 4) >>> 0) << 32n) | BigInt(subject.readWord(address) >>> 0);
  }

  #writeEntry(address: number, value: bigint): void {
    this.subject.writeWord(address, lowOf(value));
    this.subject.writeWord(address + 4, highOf(value));
  }
}

function highOf(value: bigint): number {
  return Number(BigInt.asIntN(32, value >> 32n));
}

function lowOf(value: bigint): number {
  return Number(BigInt.asIntN(32, value));
}
