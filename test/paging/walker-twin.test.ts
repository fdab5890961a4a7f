import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PageWalker } from "../../src/paging/index.ts";
import { type Access, type Machine, type Outcome, referenceWalk } from "./reference-walker.ts";
import { outcomeText, plainMachine, TablePages, walked } from "./table-pages.ts";

const P = 1n;
const W = 1n << 1n;
const U = 1n << 2n;
const A = 1n << 5n;
const D = 1n << 6n;
const PS = 1n << 7n;
const G = 1n << 8n;
const NX = 1n << 63n;
const KEY_1 = 1n << 59n;
const ROOT = 0x1000n;
/** PML5 1, PML4 2, PDPT 3, PD 4, PT 5 as page frames; the index in each is 1 to 5, so that no two entries coincide. */
const LINEAR = (1n << 48n) | (2n << 39n) | (3n << 30n) | (4n << 21n) | (5n << 12n) | 0x123n;
const LINEAR_4 = LINEAR - (1n << 48n);

const subsets = (...values: bigint[]) =>
  Array.from({ length: 2 ** values.length }, (_, mask) =>
    values.reduce((sum, value, i) => (mask & (1 << i) ? sum | value : sum), 0n),
  );
const booleans = [false, true];

/** Lays out one path of tables; `entries` from the leaf upwards, addresses of tables are added here. */
function layPath(tables: TablePages, levels: 4 | 5, entries: { level: number; value: bigint }[]): void {
  for (const { level, value } of entries) {
    const index = BigInt(6 - level);
    const table = level === levels ? ROOT : 0x1000n * BigInt(7 - level);
    const next = 0x1000n * BigInt(8 - level);
    const isLeaf = level === 1 || (level <= 3 && (value & PS) !== 0n);
    tables.setEntry(table + 8n * index, isLeaf ? value | 0xc000_0000n : value | next);
  }
}

/** Compares walker and reference: the outcome, and every word of table memory afterwards. */
function agree(tables: TablePages, walker: PageWalker, machine: Machine, linear: bigint, access: Access): Outcome {
  const expected = referenceWalk((address) => tables.entry(address), machine, linear, access);
  tables.writes.length = 0;
  const found = walked(walker, machine, linear, access);
  const describeCase = () =>
    `${JSON.stringify({ machine, access }, (_, v) => (typeof v === "bigint" ? v.toString(16) : v))}`;
  if (outcomeText(found) !== outcomeText(expected))
    expect.fail(`${outcomeText(found)} is not ${outcomeText(expected)}: ${describeCase()}`);
  if (expected.fault === null) {
    for (const { address, value } of expected.entries)
      if (tables.entry(address) !== value)
        expect.fail(`entry ${tables.entry(address).toString(16)} is not ${value.toString(16)}: ${describeCase()}`);
    const known = new Set(expected.entries.map(({ address }) => Number(address)));
    for (const { address } of tables.writes) if (!known.has(address)) expect.fail(`stray write: ${describeCase()}`);
  } else if (tables.writes.length > 0) expect.fail(`a refused walk wrote: ${describeCase()}`);
  return expected;
}

function kindOf(outcome: Outcome): string {
  if (outcome.fault === "general-protection") return "#GP";
  if (outcome.fault === null) return `${outcome.pageBytes}`;
  if ((outcome.errorCode & 1) === 0) return "absent";
  if ((outcome.errorCode & 8) !== 0) return "reserved";
  return (outcome.errorCode & 32) !== 0 ? "key" : "refused";
}

const accesses: Access[] = (["read", "write", "fetch"] as const).flatMap((kind) =>
  (["user", "supervisor", "processor"] as const).flatMap((by) =>
    booleans.map((alignmentCheckFlag) => ({ kind, by, alignmentCheckFlag })),
  ),
);

const walkerOver = (tables: TablePages, machine: Machine) =>
  new PageWalker(tables, {
    maxPhysicalAddressBits: machine.maxPhysicalAddressBits,
    gigabytePages: machine.gigabytePages,
    setFlags: true,
  });

describe("the walker and the reference walker agree on", () => {
  it("all rights: leaf and directory bits, every kind of access, WP NXE SMEP SMAP PKE, protection-key rights", () => {
    const tables = new TablePages(16);
    const walker = walkerOver(tables, plainMachine);
    const outcomes = new Map<string, number>();
    let cases = 0;
    for (const leaf of subsets(W, U, NX, KEY_1))
      for (const directory of subsets(W, U, NX))
        for (const pkru of [0, 0b0100, 0b1000])
          for (let controls = 0; controls < 32; controls++) {
            const machine: Machine = {
              ...plainMachine,
              writeProtect: (controls & 1) !== 0,
              noExecuteEnabled: (controls & 2) !== 0,
              smep: (controls & 4) !== 0,
              smap: (controls & 8) !== 0,
              protectionKeys: (controls & 16) !== 0,
              pkru,
            };
            for (const access of accesses) {
              layPath(tables, 4, [
                { level: 1, value: P | leaf },
                { level: 2, value: P | directory },
                { level: 3, value: P | W | U },
                { level: 4, value: P | W | U },
              ]);
              const text = outcomeText(agree(tables, walker, machine, LINEAR_4, access));
              outcomes.set(text, (outcomes.get(text) ?? 0) + 1);
              cases++;
            }
          }
    expect(cases).toBe(16 * 8 * 3 * 32 * 18);
    // Every error code that present pages without reserved bits, and NX as a reserved bit, can give was met.
    const codes = [...outcomes.keys()].filter((text) => text.startsWith("#PF")).map((text) => Number(text.slice(4)));
    expect(codes.sort((a, b) => a - b)).toEqual([
      ...[0x01, 0x03, 0x05, 0x07, 0x09, 0x0b, 0x0d, 0x0f],
      ...[0x11, 0x15, 0x19, 0x1d, 0x21, 0x23, 0x25, 0x27],
    ]);
  });

  it.each([4, 5] as const)(
    "the structure of %i-level tables: present, large and reserved bits at every level, with and without NXE",
    (levels) => {
      const linear = levels === 5 ? LINEAR : LINEAR_4;
      const tables = new TablePages(16);
      const reserved = subsets(1n << 13n, 1n << 20n, 1n << 21n, 1n << 40n, 1n << 51n, 1n << 52n);
      let cases = 0;
      for (const gigabytePages of booleans)
        for (const maxPhysicalAddressBits of [36, 41, 52]) {
          const machine = { ...plainMachine, levels, gigabytePages, maxPhysicalAddressBits };
          const walker = walkerOver(tables, machine);
          for (let level = 1; level <= levels; level++)
            for (const flags of subsets(P, PS, NX))
              for (const strange of reserved)
                for (const largeBelow of [0n, PS])
                  for (const noExecuteEnabled of booleans) {
                    const path = [];
                    for (let at = 1; at <= levels; at++)
                      path.push({ level: at, value: at === level ? flags | strange : P | W | U });
                    // The entry below is large: the flaw above it must be found first, and rights still meet there.
                    if (level >= 3) path[1] = { level: 2, value: P | W | largeBelow };
                    layPath(tables, levels, path);
                    const at = { ...machine, noExecuteEnabled };
                    for (const access of [accesses[0]!, accesses[9]!, accesses[12]!])
                      agree(tables, walker, at, linear, access);
                    cases++;
                  }
        }
      expect(cases).toBe(2 * 3 * levels * 8 * 64 * 2 * 2);
    },
  );

  it.each([4, 5] as const)("accessed and dirty flags of %i-level tables, for pages of every size", (levels) => {
    const linear = levels === 5 ? LINEAR : LINEAR_4;
    const tables = new TablePages(16);
    const walker = walkerOver(tables, plainMachine);
    for (const leafLevel of [1, 2, 3])
      for (const touched of subsets(...Array.from({ length: levels }, (_, i) => 1n << BigInt(i))))
        for (const leaf of subsets(D, W, U, G))
          for (const globalPages of booleans)
            for (const access of accesses) {
              const path = [];
              for (let level = leafLevel; level <= levels; level++) {
                const accessed = (touched >> BigInt(level - 1)) & 1n ? A : 0n;
                const large = level === leafLevel && level > 1 ? PS : 0n;
                path.push({ level, value: P | accessed | (level === leafLevel ? leaf | large : W | U) });
              }
              layPath(tables, levels, path);
              agree(tables, walker, { ...plainMachine, levels, globalPages }, linear, access);
            }
  });

  it("random tables that point anywhere, themselves included", () => {
    const PAGES = 8;
    // Addresses mostly hit one of the eight pages; now and then a bit is set that may be reserved.
    const entry = fc
      .record({
        flags: fc.integer({ min: 0, max: 0xfff }),
        present: fc.integer({ min: 0, max: 15 }),
        page: fc.nat(PAGES - 1),
        key: fc.nat(15),
        nx: fc.integer({ min: 0, max: 15 }),
        stray: fc.integer({ min: 0, max: 1500 }),
      })
      .map(({ flags, present, page, key, nx, stray }) => {
        const open = BigInt(flags) | (present > 0 ? 7n : 0n);
        const kept = present > 4 ? open & ~PS : open;
        const strange = stray >= 13 && stray <= 62 ? 1n << BigInt(stray) : 0n;
        // A large page at frame 0 or 1 (the PAT bit) has no reserved bit set, at another it has.
        const frame = (kept & PS) !== 0n && present < 4 ? page & 1 : page;
        return kept | (BigInt(frame) << 12n) | (BigInt(key) << 59n) | (nx === 0 ? NX : 0n) | strange;
      });
    const machine = fc.record({
      levels: fc.constantFrom(4 as const, 5 as const),
      maxPhysicalAddressBits: fc.integer({ min: 32, max: 52 }),
      gigabytePages: fc.boolean(),
      writeProtect: fc.boolean(),
      noExecuteEnabled: fc.boolean(),
      smep: fc.boolean(),
      smap: fc.boolean(),
      protectionKeys: fc.boolean(),
      globalPages: fc.boolean(),
      pkru: fc.integer(),
      root: fc.nat(PAGES * 4096 - 1).map(BigInt),
    });
    // Four entries a page are filled and addressed, so that paths meet and flags of one walk are seen by the next.
    const indices = fc.array(fc.nat(3), { minLength: 5, maxLength: 5 });
    const met = new Map<string, number>();
    const step = fc.record({ indices, offset: fc.nat(4095), access: fc.constantFrom(...accesses), odd: fc.nat(30) });
    fc.assert(
      fc.property(
        machine,
        fc.array(entry, { minLength: PAGES * 4, maxLength: PAGES * 4 }),
        fc.array(step, { minLength: 1, maxLength: 12 }),
        (chosen, entries, steps) => {
          const tables = new TablePages(PAGES);
          entries.forEach((value, i) => {
            tables.setEntry((i >> 2) * 4096 + [0, 1, 257, 511][i & 3]! * 8, value);
          });
          const walker = walkerOver(tables, chosen);
          for (const { indices, offset, access, odd } of steps) {
            const joined = indices.reduce((sum, i) => (sum << 9n) | BigInt([0, 1, 257, 511][i]!), 0n);
            const width = chosen.levels === 5 ? 57 : 48;
            const canonical = BigInt.asUintN(64, BigInt.asIntN(width, (joined << 12n) | BigInt(offset)));
            const linear = odd < 1 ? canonical ^ (1n << 60n) : canonical;
            const kind = kindOf(agree(tables, walker, chosen, linear, access));
            met.set(kind, (met.get(kind) ?? 0) + 1);
          }
        },
      ),
      { numRuns: 4000 },
    );
    // No kind of outcome was missed or all but missed.
    for (const kind of ["#GP", "absent", "reserved", "refused", "key", "4096", "2097152", "1073741824"])
      expect(met.get(kind), kind).toBeGreaterThan(100);
  });
});
