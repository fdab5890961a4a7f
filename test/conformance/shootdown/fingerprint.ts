import { GUEST_FLAGS, GUEST_LOW, PENDING, STATE, WORDS } from "../../../src/hypervisor/translation/shadow/entry.ts";
import { WRITES } from "../../../src/hypervisor/translation/shadow/role.ts";
import type { ShootdownMachine } from "./machine.ts";
import type { Observed } from "./step.ts";

const WRITABLE = 2;
const LEAVES = 2 ** 7;
const ENTRIES_OF_GUEST = 2 ** 4;

/** One thing that later behaviour depends on: so many values it has, and which it is. */
interface Component {
  readonly name: string;
  readonly values: number;
  readonly read: () => number;
}

/**
 * Everything of a machine that the outcome of the observed accesses can ever depend on, as one number: serial numbers, names and
 * frames by what they are to the page that is looked at.
 *
 * Of the other page and the other space nothing is in it, nor what other processors remember: see `moves.ts`. Nor is what cannot
 * change here (entries above the page tables, so no way through shadow pages and no cached directory entry either), what only
 * reports (counters, journal, serial numbers of writes), and what the virtual TLB's budget decides by (never spent).
 */
export class Fingerprint {
  readonly components: readonly Component[];

  /** @param without the component that is left out, to see what happens */
  constructor(machine: ShootdownMachine, observed: Observed, without?: string) {
    const all = [...ofProcessors(machine, observed), ...(machine.tables === null ? [] : ofShadows(machine, observed))];
    this.components = all.filter(({ name }) => name !== without);
  }

  take(): number {
    let number = 0;
    for (const { name, values, read } of this.components) {
      const value = read();
      if (!(value >= 0 && value < values)) throw new RangeError(`${name}: ${value} is not one of ${values}`);
      number = number * values + value;
    }
    return number;
  }
}

function ofProcessors(machine: ShootdownMachine, { processor, space, page }: Observed): Component[] {
  const isIn = (other: number) => machine.spaceOf(other) === space;
  const others = [...machine.engines.keys()].filter((other) => other !== processor);
  const cached = (write: boolean): Component => ({
    name: `cached for ${write ? "writes" : "reads"}`,
    values: 3,
    read: () => machine.cached(processor, space, page, write),
  });
  const atHand = (write: boolean): Component => ({
    name: `at hand for ${write ? "writes" : "reads"}`,
    values: 2,
    read: () => (isIn(processor) && machine.isAtHand(processor, page, write) ? 1 : 0),
  });
  return [
    { name: "guest entry", values: ENTRIES_OF_GUEST * 2, read: () => guestBits(machine.guestEntry(space, page)) },
    { name: "processor's space", values: 2, read: () => (isIn(processor) ? 1 : 0) },
    { name: "others' spaces", values: others.length + 1, read: () => others.filter(isIn).length },
    cached(false),
    cached(true),
    atHand(false),
    atHand(true),
  ];
}

function ofShadows(machine: ShootdownMachine, { processor, space, page }: Observed): Component[] {
  const { pool, shootdown } = machine.tables!;
  const entry = machine.shadowEntry(space, page);
  const isNamed = () => shootdown.left(processor)?.some(({ low, pages }) => isAmong(page, low >>> 12, pages)) ?? false;
  return [
    { name: "shadow entry", values: LEAVES * 2, read: () => leafBits(pool.entries, entry * WORDS) },
    { name: "doubt", values: 2, read: () => (machine.isDoubtful(space, entry) ? 1 : 0) },
    { name: "word", values: 3, read: () => (shootdown.left(processor) === null ? 2 : isNamed() ? 1 : 0) },
  ];
}

function isAmong(page: number, first: number, pages: number): boolean {
  return page >= first && page < first + pages;
}

/** Which frame, whether writable, accessed and dirty; 0 for an entry that is not there. Frames of a page come in pairs. */
function guestBits(low: number): number {
  return low === 0 ? 0 : ENTRIES_OF_GUEST | (((low >>> 12) & 1) << 3) | (((low & WRITABLE) >>> 1) << 2) | flagsOf(low);
}

function leafBits(entries: Int32Array, at: number): number {
  const leaf = entries[at]!;
  if (leaf === 0) return 0;
  const state = entries[at + STATE]!;
  const madeOf = entries[at + GUEST_LOW]!;
  const frame = ((leaf >>> 12) & 1) << 6;
  const writes = (leaf & WRITES) === 0 ? 0 : 1 << 5;
  const writable = (madeOf & WRITABLE) === 0 ? 0 : 1 << 4;
  return LEAVES | frame | writes | writable | (flagsOf(state & PENDING) << 2) | flagsOf(madeOf & GUEST_FLAGS);
}

/** Accessed and dirty, pending ones too: bits 5 and 6. */
function flagsOf(word: number): number {
  return (word >>> 5) & 3;
}
