import { MAP_FRAME } from "../../../src/hypervisor/frame-map.ts";
import { GUEST_FLAGS, GUEST_LOW, PENDING, STATE, WORDS } from "../../../src/hypervisor/translation/shadow/entry.ts";
import type { ShootdownMachine } from "./machine.ts";
import type { Observed } from "./step.ts";

const WRITABLE = 2;
/** Frames of a page come in pairs: the first has an even number. */
const SECOND_FRAME = 1 << 12;

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
  const guest = () => machine.guestEntry(space, page);
  return [
    { name: "guest's page", values: 5, read: () => pageOf(guest()) },
    { name: "guest's flags", values: 4, read: () => flagsOf(guest()) },
    { name: "processor's space", values: 2, read: () => (isIn(processor) ? 1 : 0) },
    { name: "others' spaces", values: others.length + 1, read: () => others.filter(isIn).length },
    cached(false),
    cached(true),
    { name: "hits at once", values: 2, read: () => (machine.engines[processor]!.hitsAtOnce ? 1 : 0) },
  ];
}

function ofShadows(machine: ShootdownMachine, { processor, space, page }: Observed): Component[] {
  const { pool, shootdown } = machine.tables!;
  const entry = machine.shadowEntry(space, page);
  /** Of what was left: nothing of the page, it by the last word or by one before, or everything. */
  const left = () => {
    const ranges = shootdown.left(processor);
    if (ranges === null) return 3;
    const last = ranges.findLastIndex(({ low, pages }) => isAmong(page, low >>> 12, pages));
    return last < 0 ? 0 : last === ranges.length - 1 ? 1 : 2;
  };
  const word = (at: number) => pool.entries[entry * WORDS + at]!;
  const ifThere = (value: number) => (word(0) === 0 ? 0 : value);
  return [
    {
      name: "shadow's page",
      values: 5,
      read: () => ifThere(pageOf((word(0) & MAP_FRAME) | (word(GUEST_LOW) & WRITABLE) | 1)),
    },
    { name: "pending flags", values: 4, read: () => ifThere(flagsOf(word(STATE) & PENDING)) },
    { name: "flags it was made with", values: 4, read: () => ifThere(flagsOf(word(GUEST_LOW) & GUEST_FLAGS)) },
    { name: "doubt", values: 2, read: () => (machine.isDoubtful(space, entry) ? 1 : 0) },
    { name: "word", values: 4, read: left },
  ];
}

function isAmong(page: number, first: number, pages: number): boolean {
  return page >= first && page < first + pages;
}

/** By an entry: nothing, or which frame and whether it is writable. */
function pageOf(low: number): number {
  return low === 0 ? 0 : 1 + ((low & SECOND_FRAME) === 0 ? 0 : 2) + ((low & WRITABLE) === 0 ? 0 : 1);
}

/** Accessed and dirty, of an entry of the guest or pending in the shadow's: bits 5 and 6 in both. */
function flagsOf(word: number): number {
  return (word >>> 5) & 3;
}
