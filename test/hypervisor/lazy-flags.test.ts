import { describe, expect, it } from "vitest";
import { WHOLE_ENTRY, WITHIN_ENTRY } from "../../src/hypervisor/translation/engine.ts";
import {
  FLUSH_ALL_ADDRESS_SPACES,
  FLUSH_ALL_PROCESSORS,
  FlushCalls,
} from "../../src/hypervisor/translation/shadow/index.ts";
import { ACCESS_WRITE } from "../../src/paging/index.ts";
import { compareLazyFlags } from "./lazy-flags-property.ts";
import { A, D, leafAt, P, pte, shadowPartition, U, W } from "./shadow-guest.ts";

const PAGE = 4096;
/** Linear page through which the guest reaches its page table. */
const TABLE_AT = 400;
const ENTRY = WITHIN_ENTRY | WHOLE_ENTRY;

describe("shadow paging 1.4/15 to 19: wherever the guest could look, its flags are an eager walker's", () => {
  it("10^5 random operations, a part of 10^7 (npm run conformance:lazy-flags); an eighth of the writes at most", () => {
    const { everyAccess, everyFill, lazy } = compareLazyFlags(100_000);
    expect(lazy).toBeGreaterThan(0);
    expect(lazy * 8).toBeLessThan(everyFill);
    expect(everyFill).toBeLessThan(everyAccess);
  });
});

function guest() {
  const partition = shadowPartition();
  const { machine, tables, processor } = partition;
  machine.setEntry(leafAt(1, TABLE_AT), pte(4, P | W | A | D));
  for (let page = 0; page < 64; page++) machine.setEntry(leafAt(1, page), pte(0x100 + page, P | W | U));
  const before = tables.counters().guestTableFlagWrites!;
  return {
    ...partition,
    writes: () => tables.counters().guestTableFlagWrites! - before,
    /** The guest reads an entry of its page table. */
    look: (page: number) => {
      const at = processor.at(TABLE_AT * PAGE + page * 8, ENTRY);
      return BigInt(machine.words[at / 4]!) & (A | D);
    },
    /** The guest stores an entry without looking. */
    store: (page: number, value: bigint) => {
      processor.at(TABLE_AT * PAGE + page * 8, ACCESS_WRITE | ENTRY);
      machine.setEntry(leafAt(1, page), value);
    },
  };
}

describe("lazy flags are written", () => {
  const flushes = {
    INVLPG: (p: ReturnType<typeof guest>) => p.processor.invalidate(77 * PAGE),
    "MOV CR3": (p: ReturnType<typeof guest>) => p.processor.loadRoot(1),
    INVPCID: (p: ReturnType<typeof guest>) => p.processor.engine.invalidatePcid(2, 0, 0, 0),
    "a flush call": (p: ReturnType<typeof guest>) =>
      new FlushCalls(p.tables, 40).flushAddressSpace({
        addressSpace: 0n,
        flags: FLUSH_ALL_PROCESSORS | FLUSH_ALL_ADDRESS_SPACES,
        processors: 0n,
      }),
    "a changed map": (p: ReturnType<typeof guest>) => p.processor.engine.guestMapChanged(0x700, 1),
  };

  it.each(Object.entries(flushes))("not for %s, and are there when the guest looks after it (1.4/19)", (_, flush) => {
    const partition = guest();
    partition.processor.at(9 * PAGE);
    flush(partition);
    expect(partition.writes()).toBe(0);
    expect(partition.look(9)).toBe(A);
    partition.processor.at(9 * PAGE, ACCESS_WRITE);
    flush(partition);
    expect(partition.look(9)).toBe(A | D);
  });

  it("only where a read goes: its entry, or all of the table when it is not known how far", () => {
    const { processor, look, writes } = guest();
    for (let page = 0; page < 32; page++) processor.at(page * PAGE, ACCESS_WRITE);
    expect(look(5)).toBe(A | D);
    expect(writes()).toBe(1);
    processor.at(TABLE_AT * PAGE);
    // Those of the three entries above stay pending: nobody has looked at their tables.
    expect(writes()).toBe(32);
  });

  it("never where the guest stores the entry without looking; after its flush the next access sets them anew", () => {
    const { processor, look, store, writes } = guest();
    processor.at(3 * PAGE, ACCESS_WRITE);
    store(3, pte(0x103, P | W | U));
    processor.invalidate(3 * PAGE);
    expect(writes()).toBe(0);
    expect(look(3)).toBe(0n);
    processor.at(3 * PAGE);
    expect(look(3)).toBe(A);
  });

  it("when the processor that looks has no paging: the table, and nothing else", () => {
    const { processor, tables, machine, writes } = guest();
    processor.at(3 * PAGE, ACCESS_WRITE);
    tables.beforeUntranslated(5, 0, 0);
    expect(writes()).toBe(0);
    tables.beforeUntranslated(4, 3 * 8, 0);
    expect(machine.entry(leafAt(1, 3)) & (A | D)).toBe(A | D);
    expect(writes()).toBe(1);
  });

  it("when a fault takes the shadow entry, and when the page is evicted (1.4/7)", () => {
    const { processor, machine } = guest();
    machine.setEntry(leafAt(1, 3), pte(0x103, P | U));
    processor.at(3 * PAGE);
    expect(processor.at(3 * PAGE, ACCESS_WRITE)).toBe(-1);
    expect(machine.entry(leafAt(1, 3)) & A).toBe(A);
  });
});

describe("a guest that looks seldom: it maps on demand, touches, unmaps, and asks one page in 64 whether it was used", () => {
  it("costs an eighth of the writes even of a walker that writes only when a flag changes", () => {
    const { processor, look, store, writes } = guest();
    const WINDOW = 48;
    const MAPPINGS = 5000;
    /** Of each page, the leaf's A and D: in one write when it is written first, else in two. */
    let changes = 3;
    for (let number = 0; number < MAPPINGS; number++) {
      const page = number % 64;
      store(page, pte(0x100 + page, P | W | U));
      const readFirst = number % 3 === 0;
      if (readFirst) processor.at(page * PAGE);
      processor.at(page * PAGE, ACCESS_WRITE);
      changes += readFirst ? 2 : 1;
      if (number % 64 === 0) expect(look(page)).toBe(A | D);
      if (number < WINDOW) continue;
      const old = (number - WINDOW) % 64;
      store(old, 0n);
      processor.invalidate(old * PAGE);
    }
    expect(writes() * 8).toBeLessThan(changes);
  });
});
