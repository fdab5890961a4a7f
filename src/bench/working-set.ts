import { PAGE, PagedGuest, READ_BEFORE, tablesFor } from "./paged-guest.ts";
import { shadowProcessor } from "./shadow-processor.ts";

/** Pages of a program in the order of their use. */
export interface PageString {
  readonly name: string;
  readonly pages: Int32Array;
  /** Places in it at which another address space has its turn, besides those that are `TURN` after the last. */
  readonly checkpoints: readonly number[];
}

/** How the guest changes the address space: CR3 loaded, which flushes; or the hypercall that leaves everything cached. */
export type SpaceSwitch = "MOV CR3" | "hypercall";

/** What is counted of a page string that several address spaces work on by turns, none of them changed meanwhile. */
export interface WorkingSetCounts {
  readonly spaces: number;
  readonly switchedBy: SpaceSwitch;
  /** Turns: CR3 is loaded at each, also where there is one address space only. */
  readonly switches: number;
  readonly accesses: number;
  /** Distinct pages, of one address space. */
  readonly pages: number;
  readonly hiddenFaults: number;
  /** Hidden faults but for the first one of each page in each address space. */
  readonly refills: number;
}

/** Accesses of an address space's turn. */
const TURN = 1000;
const MOST_SPACES = 4;

/** 1,024 pages one after the other, eight times: the string that a cache which is a little too small keeps nothing of. */
export function loopString(): PageString {
  return {
    name: "loop of 1,024 pages",
    pages: Int32Array.from({ length: 8192 }, (_, index) => index % 1024),
    checkpoints: [],
  };
}

/** A string under one to four address spaces, switched in either way. */
export function workingSetRuns(string: PageString): WorkingSetCounts[] {
  return Array.from({ length: MOST_SPACES }, (_, more) => more + 1).flatMap((spaces) =>
    (["MOV CR3", "hypercall"] as const).map((switchedBy) => workingSetCounts(string, spaces, switchedBy)),
  );
}

/** Every address space goes through the whole string, a turn each; what one fault fills is one leaf, so that faults can be told apart. */
export function workingSetCounts(string: PageString, spaces: number, switchedBy: SpaceSwitch): WorkingSetCounts {
  const { pages } = string;
  const distinct = new Set(pages);
  const pageTables = new Set(Array.from(distinct, (page) => page >>> 9)).size;
  const guest = new PagedGuest(tablesFor(spaces, pageTables), distinct.size, READ_BEFORE);
  const roots = Array.from({ length: spaces }, () => guest.newSpace());
  for (const root of roots) {
    let frame = guest.firstFrame;
    for (const page of distinct) guest.mapPage(root, page * PAGE, frame++, READ_BEFORE);
  }

  const { engine, state } = shadowProcessor(guest, roots[0]!, 1);
  let switches = 0;
  let begun = 0;
  for (const end of turnsOf(string)) {
    for (const root of roots) {
      const previous = { ...state };
      state.cr3 = root;
      engine.controlChanged(previous, switchedBy === "hypercall");
      switches++;
      for (let index = begun; index < end; index++)
        if (engine.translate(0, (pages[index]! * PAGE) | 0, 0) < 0)
          throw new Error(`${string.name}: access ${index} was refused`);
    }
    begun = end;
  }
  const hiddenFaults = engine.counters().pageFaultIntercepts!;
  return {
    ...{ spaces, switchedBy, switches, accesses: pages.length * spaces, pages: distinct.size },
    ...{ hiddenFaults, refills: hiddenFaults - distinct.size * spaces },
  };
}

/** Where turns end: at checkpoints, after `TURN` accesses, at the string's end. */
function turnsOf({ pages, checkpoints }: PageString): number[] {
  const ends = new Set([...checkpoints.filter((place) => place > 0), pages.length]);
  for (let end = TURN; end < pages.length; end += TURN) ends.add(end);
  return [...ends].sort((one, other) => one - other);
}
