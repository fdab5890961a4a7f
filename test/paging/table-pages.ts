import {
  ACCESS_AC,
  ACCESS_FETCH,
  ACCESS_IMPLICIT,
  ACCESS_USER,
  ACCESS_WRITE,
  CR0_WP,
  CR4_LA57,
  CR4_PGE,
  CR4_PKE,
  CR4_SMAP,
  CR4_SMEP,
  EFER_NXE,
  FAULT_GENERAL_PROTECTION,
  FAULT_NONE,
  type PageWalker,
  type PagingState,
  type TableMemory,
} from "../../src/paging/index.ts";
import type { Access, Machine, Outcome } from "./reference-walker.ts";

/** A few pages of physical memory for page tables; what lies beyond them reads as 0. Writes are kept in a list. */
export class TablePages implements TableMemory {
  readonly words: Int32Array;
  readonly writes: { address: number; value: number }[] = [];

  constructor(pages: number) {
    this.words = new Int32Array(pages * 1024);
  }

  readWord(address: number): number {
    return this.words[address / 4] ?? 0;
  }

  writeWord(address: number, value: number): void {
    this.writes.push({ address, value });
    this.words[address / 4] = value;
  }

  entry(address: number | bigint): bigint {
    const at = Number(address) / 4;
    return (BigInt((this.words[at + 1] ?? 0) >>> 0) << 32n) | BigInt((this.words[at] ?? 0) >>> 0);
  }

  setEntry(address: number | bigint, value: bigint): void {
    const at = Number(address) / 4;
    this.words[at] = Number(BigInt.asIntN(32, value));
    this.words[at + 1] = Number(BigInt.asIntN(32, value >> 32n));
  }
}

export const plainMachine: Machine = {
  levels: 4,
  maxPhysicalAddressBits: 40,
  gigabytePages: true,
  writeProtect: true,
  noExecuteEnabled: true,
  smep: false,
  smap: false,
  protectionKeys: false,
  globalPages: false,
  pkru: 0,
  root: 0x1000n,
};

export function stateOf(machine: Machine): PagingState {
  const when = (on: boolean, value: number) => (on ? value : 0);
  return {
    cr0: when(machine.writeProtect, CR0_WP),
    cr3: Number(machine.root),
    cr4:
      when(machine.levels === 5, CR4_LA57) |
      when(machine.smep, CR4_SMEP) |
      when(machine.smap, CR4_SMAP) |
      when(machine.protectionKeys, CR4_PKE) |
      when(machine.globalPages, CR4_PGE),
    efer: when(machine.noExecuteEnabled, EFER_NXE),
    pkru: machine.pkru,
  };
}

export function accessBits(access: Access): number {
  const kind = { read: 0, write: ACCESS_WRITE, fetch: ACCESS_FETCH }[access.kind];
  const by = { user: ACCESS_USER, supervisor: 0, processor: ACCESS_IMPLICIT }[access.by];
  return kind | by | (access.alignmentCheckFlag ? ACCESS_AC : 0);
}

export const high = (linear: bigint) => Number(BigInt.asIntN(32, linear >> 32n));
export const low = (linear: bigint) => Number(BigInt.asIntN(32, linear));

/** Walks and tells the result in the reference walker's words; its `entries` are left to whoever compares memory. */
export function walked(walker: PageWalker, machine: Machine, linear: bigint, access: Access) {
  const allowed = walker.walk(stateOf(machine), high(linear), low(linear), accessBits(access));
  if (allowed !== (walker.fault === FAULT_NONE)) throw new Error("walk's answer and fault disagree");
  if (walker.fault === FAULT_GENERAL_PROTECTION) return { fault: "general-protection" as const };
  if (!allowed) return { fault: "page" as const, errorCode: walker.errorCode };
  return {
    fault: null,
    physical: BigInt(walker.physicalAddress),
    pageBytes: 1n << BigInt(walker.pageShift),
    user: walker.user,
    writable: walker.writable,
    executable: walker.executable,
    global: walker.global,
  };
}

/** One line that holds the whole outcome but the entries: cheap to compare a hundred thousand times. */
export function outcomeText(outcome: Outcome | ReturnType<typeof walked>): string {
  if (outcome.fault === "general-protection") return "#GP";
  if (outcome.fault === "page") return `#PF ${outcome.errorCode}`;
  const { physical, pageBytes, user, writable, executable, global } = outcome;
  return `${physical.toString(16)} ${pageBytes} ${user} ${writable} ${executable} ${global}`;
}
