import { ACCESS_FETCH, ACCESS_IMPLICIT, ACCESS_WRITE, type TableMemory } from "../../../src/paging/index.ts";
import { LARGE_PAGE, PDE_ADDRESS, PDPTE_ADDRESS, PTE_ADDRESS } from "./path.ts";
import { type SubjectOptions, WalkerSubject } from "./subject.ts";

/**
 * One rule each that a walker can get wrong. A flaw lies around the walker of src/paging: in the control registers it is
 * given, in the entries it reads and the flags it writes, or in what it answers.
 */
export interface Flaw {
  readonly rule: string;
  readonly cr0?: (cr0: number) => number;
  readonly cr4?: (cr4: number) => number;
  readonly efer?: (efer: number) => number;
  readonly pkru?: (pkru: number) => number;
  /** A word as the walker reads it. */
  readonly read?: (value: number, address: number, memory: TableMemory) => number;
  /** A word with flags as the walker writes it. */
  readonly write?: (value: number, address: number) => number;
  readonly linearHigh?: (high: number) => number;
  readonly access?: (access: number) => number;
  readonly errorCode?: (errorCode: number, access: number) => number;
  readonly physicalAddress?: (address: number) => number;
  /** What happens to the entries besides. */
  readonly afterwards?: (subject: WalkerSubject, allowed: boolean, access: number) => void;
  /** What a first access found serves all later ones until the page is invalidated. */
  readonly remembers?: "rights" | "flags";
}

const A = 0x20;
const D = 0x40;
const PS = 0x80;
const NX = 1 << 31;
const RESERVED_HIGH = (1 << 19) | (1 << 4);
const clear = (bits: number) => (value: number) => (value & ~bits) >>> 0;
const set = (bits: number) => (value: number) => (value | bits) >>> 0;
/** A word read from one address, with bits taken away or added. */
const without = (at: number, bits: number) => (value: number, address: number) =>
  address === at ? value & ~bits : value;
const having = (at: number, bits: number) => (value: number, address: number) =>
  address === at ? value | bits : value;
const setIn = (subject: WalkerSubject, address: number, bits: number) =>
  subject.writeWord(address, subject.readWord(address) | bits);
/** Where the leaf of the path lies. */
const leafOf = (subject: WalkerSubject) => ((subject.readWord(PDE_ADDRESS) & PS) !== 0 ? PDE_ADDRESS : PTE_ADDRESS);

export const FLAWS: readonly Flaw[] = [
  { rule: "CR0.WP guards read-only pages from supervisors", cr0: clear(1 << 16) },
  { rule: "without CR0.WP supervisors write to read-only pages", cr0: set(1 << 16) },
  { rule: "bit 63 is reserved without EFER.NXE", efer: set(1 << 11) },
  { rule: "bit 63 forbids fetches with EFER.NXE", efer: clear(1 << 11) },
  { rule: "CR4.PKE turns protection keys on", cr4: clear(1 << 22) },
  { rule: "protection keys do nothing without CR4.PKE", cr4: set(1 << 22) },
  { rule: "PKRU's access-disable counts", pkru: clear(0x5555_5555) },
  { rule: "PKRU's write-disable counts", pkru: clear(0xaaaa_aaaa) },
  {
    rule: "the key is the leaf's",
    read: (value, address, memory) =>
      address === PTE_ADDRESS + 4 ? (value & ~(15 << 27)) | (memory.readWord(PDE_ADDRESS + 4) & (15 << 27)) : value,
  },
  { rule: "U/S of the directory counts", read: having(PDE_ADDRESS, 4) },
  { rule: "U/S of the page table counts", read: having(PTE_ADDRESS, 4) },
  { rule: "R/W of the directory counts", read: having(PDE_ADDRESS, 2) },
  { rule: "R/W of the page table counts", read: having(PTE_ADDRESS, 2) },
  { rule: "R/W of the directory pointers counts", read: having(PDPTE_ADDRESS, 2) },
  { rule: "XD of the directory counts", read: without(PDE_ADDRESS + 4, NX) },
  { rule: "bit 51 of the directory's entry is reserved", read: without(PDE_ADDRESS + 4, 1 << 19) },
  { rule: "bit 36 of the page table's entry is reserved", read: without(PTE_ADDRESS + 4, 1 << 4) },
  {
    rule: "bit 13 of a large page's entry is reserved",
    read: (value, address) => (address === PDE_ADDRESS && (value & PS) !== 0 ? value & ~0x2000 : value),
  },
  {
    rule: "reserved bits of an entry that is not present do not count",
    read: (value, address, memory) =>
      address === PDE_ADDRESS && (memory.readWord(PDE_ADDRESS + 4) & RESERVED_HIGH) !== 0 ? value | 1 : value,
  },
  { rule: "PS ends the walk at the directory", read: without(PDE_ADDRESS, PS) },
  { rule: "a reserved bit's error code has P", errorCode: (code) => ((code & 8) !== 0 ? code & ~1 : code) },
  { rule: "the error code has W", errorCode: (code) => code & ~2 },
  { rule: "the error code has U", errorCode: (code) => code & ~4 },
  { rule: "the error code has RSVD", errorCode: (code) => code & ~8 },
  { rule: "the error code has I/D", errorCode: (code) => code & ~16 },
  {
    rule: "the error code has no I/D where nothing forbids fetches",
    errorCode: (code, access) => ((access & ACCESS_FETCH) !== 0 ? code | 16 : code),
  },
  { rule: "the error code has PK", errorCode: (code) => code & ~32 },
  { rule: "the leaf's accessed flag is set", write: without(PTE_ADDRESS, A) },
  { rule: "the directory's accessed flag is set", write: without(PDE_ADDRESS, A) },
  { rule: "a write sets the leaf's dirty flag", write: (value) => value & ~D },
  {
    rule: "a read sets no dirty flag",
    afterwards: (subject, allowed) => allowed && setIn(subject, leafOf(subject), D),
  },
  {
    rule: "the directory's entry above a page table gets no dirty flag",
    afterwards: (subject, allowed, access) =>
      allowed && (access & ACCESS_WRITE) !== 0 && setIn(subject, PDE_ADDRESS, D),
  },
  {
    rule: "a fault sets no accessed flag in the leaf",
    afterwards: (subject, allowed) => !allowed && setIn(subject, leafOf(subject), A),
  },
  {
    rule: "a fault sets no dirty flag",
    afterwards: (subject, allowed, access) =>
      !allowed && (access & ACCESS_WRITE) !== 0 && setIn(subject, leafOf(subject), D),
  },
  {
    rule: "flags are sticky",
    afterwards: (subject) => subject.writeWord(PTE_ADDRESS, subject.readWord(PTE_ADDRESS) & ~D),
  },
  {
    rule: "a large page has an offset of 21 bits",
    physicalAddress: (address) => (address >= LARGE_PAGE ? address & ~0x1f_0000 : address),
  },
  { rule: "what a read cached does not serve a write without the right to it", remembers: "rights" },
  { rule: "what a read cached with the dirty flag clear does not serve a write", remembers: "flags" },
  { rule: "SMEP keeps supervisors from fetching user pages", cr4: clear(1 << 20) },
  { rule: "SMAP keeps supervisors from user data", cr4: clear(1 << 21) },
  { rule: "implicit accesses of the processor are under SMAP whatever AC says", access: clear(ACCESS_IMPLICIT) },
  { rule: "addresses are canonical", linearHigh: (high) => (high << 16) >> 16 },
];

/** The walker of src/paging with one flaw. */
export class FlawedWalker extends WalkerSubject {
  readonly #flaw: Flaw;
  readonly #flagsFrozen: { yes: boolean };
  #cachedAddress = -1;

  constructor(options: SubjectOptions, flaw: Flaw) {
    const frozen = { yes: false };
    super(options, (memory) => ({
      readWord: (address) => flaw.read?.(memory.readWord(address), address, memory) ?? memory.readWord(address),
      writeWord: (address, value) => {
        if (!frozen.yes) memory.writeWord(address, flaw.write?.(value, address) ?? value);
      },
    }));
    this.#flaw = flaw;
    this.#flagsFrozen = frozen;
  }

  override setControls(cr0: number, cr4: number, efer: number, pkru: number): void {
    const flaw = this.#flaw;
    super.setControls(
      flaw.cr0?.(cr0) ?? cr0,
      flaw.cr4?.(cr4) ?? cr4,
      flaw.efer?.(efer) ?? efer,
      flaw.pkru?.(pkru) ?? pkru,
    );
  }

  override invalidatePage(): void {
    this.#flagsFrozen.yes = false;
    this.#cachedAddress = -1;
  }

  override access(high: number, low: number, access: number): boolean {
    const flaw = this.#flaw;
    if (flaw.remembers === "rights" && this.#cachedAddress >= 0) {
      this.physicalAddress = this.#cachedAddress;
      return true;
    }
    const allowed = super.access(flaw.linearHigh?.(high) ?? high, low, flaw.access?.(access) ?? access);
    this.errorCode = flaw.errorCode?.(this.errorCode, access) ?? this.errorCode;
    this.physicalAddress = flaw.physicalAddress?.(this.physicalAddress) ?? this.physicalAddress;
    if (allowed) {
      this.#flagsFrozen.yes = flaw.remembers === "flags";
      this.#cachedAddress = this.physicalAddress;
    }
    flaw.afterwards?.(this, allowed, access);
    return allowed;
  }
}
