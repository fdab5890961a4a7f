import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MAX_PHYSICAL_ADDRESS_BITS } from "../../src/hypervisor/frame-map.ts";
import type { TranslationEngine } from "../../src/hypervisor/translation/engine.ts";
import {
  FLUSH_ALL_ADDRESS_SPACES,
  FLUSH_ALL_PROCESSORS,
  FlushCalls,
  ShadowEngine,
  ShadowPageTables,
} from "../../src/hypervisor/translation/shadow/index.ts";
import { WalkEngine } from "../../src/hypervisor/translation/walk-engine.ts";
import {
  ACCESS_WRITE,
  CR0_WP,
  CR4_PCIDE,
  CR4_PKE,
  CR4_SMAP,
  CR4_SMEP,
  EFER_NXE,
  type PagingState,
} from "../../src/paging/index.ts";
import { A, D, G, GuestMachine, leafAt, longMode, NX, P, PS, pte, tableChain, U, W } from "./shadow-guest.ts";

const PAGE = 4096;
const FRAMES = 1536;
/** Two roots; each has its own tables, and both share the last table of the first. */
const ROOTS = [1, 11];
const TABLES = [1, 2, 3, 4, 11, 12, 13, 14, 20];
/** Linear pages from here on map the guest's tables, one after the other. */
const WINDOW = 448;
/** A linear 2 MiB that a large page maps, and the same table again with fewer rights. */
const LARGE_AT = 2 ** 21;
const ALIAS_AT = 2 * 2 ** 21;
const OTHER_AT = 3 * 2 ** 21;

function guestMachine(): GuestMachine {
  const machine = new GuestMachine(FRAMES);
  // Piece 3 of the second large page is elsewhere, so that it cannot be one.
  machine.map[1024 + 3] = machine.map[900]!;
  for (const root of ROOTS) {
    tableChain(machine, root);
    const directory = (root + 2) * PAGE;
    machine.setEntry(directory + 8, pte(root === 1 ? 512 : 1024, P | W | U | PS));
    machine.setEntry(directory + 16, pte(root === 1 ? 4 : 14, P | U));
    machine.setEntry(directory + 24, pte(20, P | W | U));
    for (const [index, table] of TABLES.entries())
      machine.setEntry(leafAt(root, WINDOW + index), pte(table, P | W | A | D));
  }
  for (let page = 0; page < 8; page++) machine.setEntry(20 * PAGE + page * 8, pte(0x150 + page, P | W | U));
  return machine;
}

interface Side {
  machine: GuestMachine;
  states: PagingState[];
  engines: TranslationEngine[];
}

function sides(options: { budgetPages?: number; batch?: number }) {
  const side = (make: (machine: GuestMachine, state: PagingState, index: number) => TranslationEngine): Side => {
    const machine = guestMachine();
    const states = [longMode(1), longMode(1)];
    return { machine, states, engines: states.map((state, index) => make(machine, state, index)) };
  };
  let tables: ShadowPageTables | null = null;
  const shadow = side((machine, state, processor) => {
    tables ??= new ShadowPageTables({ frames: machine, processors: 2, ...options });
    return new ShadowEngine({ tables, processor, state });
  });
  const walk = side(
    (frames, state) =>
      new WalkEngine({ frames, state, maxPhysicalAddressBits: MAX_PHYSICAL_ADDRESS_BITS, setFlags: true }),
  );
  return { shadow, walk, tables: tables as unknown as ShadowPageTables };
}

/** A number's bits, taken off from the low end. */
function taker(number: number) {
  let rest = number >>> 0;
  return (values: number) => {
    const taken = rest % values;
    rest = Math.floor(rest / values);
    return taken;
  };
}

const FLAGS = [P, W, U, A, D, G, NX];
const CONTROL: readonly Partial<Record<keyof PagingState, number>>[] = [
  { cr0: CR0_WP },
  { cr4: CR4_SMEP },
  { cr4: CR4_SMAP },
  { cr4: CR4_PKE },
  { efer: EFER_NXE },
];

/** One operation of the guest, the same on both sides. @returns what the guest learns of it, as text */
function operate(side: Side, operation: number, flush: (processor: number) => void): string {
  const take = taker(operation);
  const kind = take(16);
  const processor = take(2);
  const engine = side.engines[processor]!;
  const state = side.states[processor]!;
  const translate = (linear: number, access: number) => {
    const at = engine.translate(0, linear | 0, access);
    return at >= 0 ? String(at) : `refused ${engine.refusal} ${engine.errorCode}`;
  };
  if (kind < 10) {
    const region = [0, LARGE_AT, ALIAS_AT, OTHER_AT][take(4)]!;
    const page = region === LARGE_AT ? take(2) * 500 + take(6) : take(10);
    return translate(region + page * PAGE + take(64) * 8, take(32));
  }
  if (kind < 13) {
    const tableIndex = take(TABLES.length);
    const table = TABLES[tableIndex]!;
    const at = table * PAGE + take(10) * 8;
    const answer = translate((WINDOW + tableIndex) * PAGE + (at & 0xfff), kind < 12 ? 0 : ACCESS_WRITE);
    const before = side.machine.entry(at);
    if (answer.startsWith("refused")) return answer;
    if (kind < 12) return `${answer} ${before}`;
    const isLeaf = table === 4 || table === 14 || table === 20;
    const flip = FLAGS[take(FLAGS.length)]!;
    const mayTouch = isLeaf || flip === W || flip === U || flip === NX || flip === A;
    const key = isLeaf && before !== 0n ? BigInt(take(4)) << 59n : 0n;
    const fresh = isLeaf && before === 0n ? pte(0x100 + take(32), P | W | U) : before;
    side.machine.setEntry(at, (mayTouch ? fresh ^ flip : fresh) ^ key);
    flush(take(2));
    return `${answer} ${before}`;
  }
  const previous = { ...state };
  if (kind === 13) {
    state.cr3 = ROOTS[take(2)]! * PAGE;
    engine.controlChanged(previous, take(2) === 1);
  } else if (kind === 14) {
    for (const [register, bit] of Object.entries(CONTROL[take(CONTROL.length)]!))
      state[register as keyof PagingState] ^= bit;
    engine.controlChanged(previous, false);
  } else state.pkru = take(256);
  return "";
}

/** The guest reads all its tables; as the tables cannot all be mapped for it, as a dump does: flags written first. */
function tablesOf(side: Side): bigint[] {
  side.engines[0]!.synchronizeFlags();
  return TABLES.flatMap((table) =>
    Array.from({ length: 512 }, (_, index) => side.machine.entry(table * PAGE + index * 8)),
  );
}

function flushers(shadow: Side, walk: Side, tables: ShadowPageTables) {
  const calls = new FlushCalls(tables, MAX_PHYSICAL_ADDRESS_BITS);
  return {
    shadow: (how: number) => {
      if (how === 0) {
        const flags = FLUSH_ALL_PROCESSORS | FLUSH_ALL_ADDRESS_SPACES;
        calls.flushAddressSpace({ addressSpace: 0n, flags, processors: 0n });
      } else for (const engine of shadow.engines) engine.invalidatePcid(2, 0, 0, 0);
    },
    walk: () => {
      for (const engine of walk.engines) engine.invalidatePcid(2, 0, 0, 0);
    },
  };
}

const OPERATIONS = 1000;
/** Half of 10^5 operations for each of two sizes. */
const RUNS = 50;

describe("shadow tables are indistinguishable from an eager walk at every flush and every look", () => {
  it.each([
    { name: "plenty of pages", budgetPages: 512, batch: 32 },
    { name: "hardly any pages, no batches", budgetPages: 16, batch: 1 },
  ])("5 * 10^4 operations of two processors, two spaces, self-mapped tables, with $name", ({ budgetPages, batch }) => {
    fc.assert(
      fc.property(
        fc.array(fc.noBias(fc.nat(0xffff_ffff)), { minLength: OPERATIONS, maxLength: OPERATIONS, size: "max" }),
        (operations) => {
          const { shadow, walk, tables } = sides({ budgetPages, batch });
          const flush = flushers(shadow, walk, tables);
          for (const [number, operation] of operations.entries()) {
            const seen = operate(shadow, operation, flush.shadow);
            const truth = operate(walk, operation, flush.walk);
            if (seen !== truth) throw new Error(`operation ${number} (${operation}): ${seen}, but the walk: ${truth}`);
          }
          expect(tablesOf(shadow)).toEqual(tablesOf(walk));
        },
      ),
      { numRuns: RUNS, seed: 4711, endOnFailure: true },
    );
  });
});

describe("shadow paging 1.4/27: a translation is one that the guest's tables have given since the last flush", () => {
  /** Host frames that each processor may still use for a page: those of the values since its last flush. */
  it("random edits, flushes and accesses of four processors", () => {
    const PAGES = 6;
    const PROCESSORS = 4;
    fc.assert(
      fc.property(
        fc.array(fc.noBias(fc.nat(0xffff_ffff)), { minLength: 400, maxLength: 400, size: "max" }),
        (operations) => {
          const machine = new GuestMachine(FRAMES);
          tableChain(machine, 1);
          tableChain(machine, 11);
          const tables = new ShadowPageTables({ frames: machine, processors: PROCESSORS, budgetPages: 16 });
          const calls = new FlushCalls(tables, MAX_PHYSICAL_ADDRESS_BITS);
          const states = Array.from({ length: PROCESSORS }, () => ({
            ...longMode(1),
            cr3: PAGE + 1,
            cr4: longMode(1).cr4 | CR4_PCIDE,
          }));
          const engines = states.map((state, processor) => new ShadowEngine({ tables, processor, state }));
          const now = new Map<string, number>();
          const allowed = new Map<string, Set<number>>();
          const key = (processor: number, root: number, page: number) => `${processor} ${root} ${page}`;
          const everyone = Array.from({ length: PROCESSORS }, (_, processor) => processor);
          const renew = (processors: readonly number[], roots: readonly number[], from: number, to: number) => {
            for (const processor of processors)
              for (const root of roots)
                for (let page = from; page < to; page++)
                  allowed.set(key(processor, root, page), new Set([now.get(`${root} ${page}`) ?? -1]));
          };
          renew(everyone, ROOTS, 0, PAGES);
          for (const operation of operations) {
            const take = taker(operation);
            const kind = take(8);
            const processor = take(PROCESSORS);
            const engine = engines[processor]!;
            const state = states[processor]!;
            const root = Math.floor(state.cr3 / PAGE);
            const page = take(PAGES);
            if (kind < 4) {
              const at = engine.translate(0, page * PAGE, take(2));
              const frames = allowed.get(key(processor, root, page))!;
              if (!frames.has(at)) throw new Error(`${at} of page ${page} is none of ${[...frames]}`);
            } else if (kind < 6) {
              const other = ROOTS[take(2)]!;
              const frame = 0x200 + take(64);
              const present = take(8) > 0;
              machine.setEntry(leafAt(other, page), present ? pte(frame, P | W | U | A | D) : 0n);
              now.set(`${other} ${page}`, present ? machine.spa(frame * PAGE) : -1);
              for (const one of everyone) allowed.get(key(one, other, page))!.add(now.get(`${other} ${page}`)!);
            } else if (kind === 6) {
              const to = ROOTS[take(2)]!;
              const keep = take(2) === 1;
              const previous = { ...state };
              state.cr3 = to * PAGE + (to === 1 ? 1 : 2);
              engine.controlChanged(previous, keep);
              if (!keep) renew([processor], [to], 0, PAGES);
            } else {
              const how = take(3);
              const mask = take(15) + 1;
              const addressSpace = BigInt(state.cr3);
              const named = everyone.filter((one) => ((mask >> one) & 1) === 1);
              if (how === 0) {
                engine.invalidatePage(0, page * PAGE);
                renew([processor], [root], page, page + 1);
              } else if (how === 1) {
                calls.flushAddressSpace({ addressSpace, flags: 0, processors: BigInt(mask) });
                renew(named, [root], 0, PAGES);
              } else {
                const extra = take(PAGES - page);
                calls.flushAddressList({ addressSpace, flags: 0, processors: BigInt(mask) }, [
                  BigInt(page * PAGE + extra),
                ]);
                renew(named, [root], page, page + extra + 1);
              }
            }
          }
        },
      ),
      { numRuns: 100, seed: 42, endOnFailure: true },
    );
  });
});
