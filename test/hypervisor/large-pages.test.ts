import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MAP_ALL, MAP_EXECUTE, MAP_READ, MAP_WRITE, mapEntry } from "../../src/hypervisor/frame-map.ts";
import { HostMemory } from "../../src/hypervisor/host-memory.ts";
import { type GuestLeafShift, LargePages, promotionOf } from "../../src/hypervisor/large-pages/index.ts";
import { Partition } from "../../src/hypervisor/partition.ts";

const MIB = 2 ** 20;
const PAGE = 4096;
const CHUNK = 512;

/** Three regions: the second is 2 MiB of aligned host memory with all rights, above 2 GiB so that entries are negative numbers. */
function mapOf(): Int32Array {
  const map = new Int32Array(3 * CHUNK);
  for (let page = 0; page < CHUNK; page++) map[CHUNK + page] = mapEntry(0x8_0000 + page, MAP_ALL);
  return map;
}

const READ_ONLY = MAP_READ | MAP_EXECUTE;
/** Any attribute of the map beyond the rights, as a cache type would be. */
const CACHE_TYPE = 1 << 7;

describe("large pages 4.3/1 to 4.3/5: the promotion rule", () => {
  it.each<[string, GuestLeafShift, string, (map: Int32Array) => void]>([
    ["4.3/1: a guest page of 2 MiB over aligned contiguous frames with equal rights", 21, "large", () => {}],
    ["4.3/1: a part of a guest page of 1 GiB likewise", 30, "large", () => {}],
    [
      "4.3/1: rights that are the same for all, whichever they are",
      21,
      "large",
      (map) => map.set(map.map((entry) => (entry & ~MAP_ALL) | MAP_READ)),
    ],
    ["4.3/2: the guest maps 4 KiB pages over the same memory", 12, "guest-leaf", () => {}],
    ["4.3/3: the last backing page is elsewhere", 21, "elsewhere", (map) => (map[1023] = mapEntry(7, MAP_ALL))],
    ["4.3/3: two pages have changed places", 21, "elsewhere", (map) => map.copyWithin(700, 701, 702)],
    ["4.3/3: one page is a hole", 21, "hole", (map) => (map[700] = 0)],
    ["4.3/3: the first page is a hole", 21, "hole", (map) => (map[512] = 0)],
    ["4.3/4: one page is read-only", 21, "attributes", (map) => (map[1023]! &= ~MAP_WRITE)],
    ["4.3/4: one page is not executable", 21, "attributes", (map) => (map[513]! &= ~MAP_EXECUTE)],
    ["4.3/4: the first page alone is read-only", 21, "attributes", (map) => (map[512]! &= ~MAP_WRITE)],
    ["4.3/4: one page has another cache type", 21, "attributes", (map) => (map[600]! |= CACHE_TYPE)],
    [
      "4.3/5: the host frames begin 4 KiB after a border",
      21,
      "alignment",
      (map) => map.set(map.map((entry) => entry + PAGE)),
    ],
  ])("%s", (_, leaf, expected, change) => {
    const map = mapOf();
    change(map);
    expect(promotionOf(leaf, map, CHUNK)).toBe(expected);
    expect(new LargePages(map).backing(CHUNK)).toBe(leaf !== 12 && expected !== "large" ? 0 : map[CHUNK]);
  });

  it("4.3/3: a region that the guest's space does not wholly have is not large", () => {
    const map = mapOf().slice(0, 2 * CHUNK - 1);
    expect(promotionOf(21, map, CHUNK)).toBe("hole");
    expect(promotionOf(21, map, 4 * CHUNK)).toBe("hole");
  });
});

/** A host of so many chunks of which some have one used frame, and all others are free. */
function hostWith(chunks: number, broken: readonly number[], moreFrames = 0): HostMemory {
  const host = new HostMemory((chunks * CHUNK + moreFrames) * PAGE);
  const all = host.allocate(host.frames);
  for (const frame of all) if (!broken.includes(frame / CHUNK)) host.release(frame);
  return host;
}

const partitionOf = (host: HostMemory, pages: number) =>
  new Partition(host, { name: "web", memoryBytes: pages * PAGE, processors: 1 });

describe("large pages 4.3/6 and 4.3/7: the backing of a new partition", () => {
  it("4.3/6: 10 MiB and 12 KiB are 5 large pages, at aligned guest addresses, and 3 small ones", () => {
    const host = new HostMemory(64 * MIB);
    partitionOf(host, 3);
    const { memory } = partitionOf(host, (10 * MIB) / PAGE + 3);
    const large = new LargePages(memory.map);
    expect(large.sizes()).toEqual({ large: 5, small: 3 });
    for (let region = 0; region < 5; region++) {
      expect(large.backing(region * CHUNK) >>> 12).toBe(memory.hostFrame(region * CHUNK));
      expect(memory.hostFrame(region * CHUNK)! % CHUNK).toBe(0);
    }
    expect(large.backing(5 * CHUNK)).toBe(0);
  });

  it("4.3/7: in fragmented memory with two whole chunks left, 2 large and the rest small, and it succeeds", () => {
    const { memory } = partitionOf(hostWith(6, [0, 2, 3, 5]), 5 * CHUNK);
    expect(new LargePages(memory.map).sizes()).toEqual({ large: 2, small: 3 * CHUNK });
    expect(memory.runs()).toEqual([{ firstPage: 0, pageCount: 5 * CHUNK }]);
  });

  it("4.3/7: takes as many whole chunks as it can use and the host has, for any size and any fragmentation", () => {
    const broken = fc.uniqueArray(fc.nat(4), { maxLength: 5 });
    fc.assert(
      fc.property(broken, fc.nat(CHUNK - 1), fc.integer({ min: 1, max: 5 * CHUNK }), (used, more, wanted) => {
        const host = hostWith(5, used, more);
        const pages = Math.min(wanted, host.freeFrames);
        const { memory } = partitionOf(host, pages);
        const large = Math.min(Math.floor(pages / CHUNK), 5 - used.length);
        expect(new LargePages(memory.map).sizes()).toEqual({ large, small: pages - large * CHUNK });
      }),
      { numRuns: 50 },
    );
  });
});

describe("large pages 4.3/8 and 4.3/9: a change of one small page", () => {
  it.each<[string, (partition: Partition) => void, (partition: Partition) => void, string]>([
    [
      "becomes read-only and writable again",
      ({ memory }) => memory.protect(700, 1, READ_ONLY),
      ({ memory }) => memory.protect(700, 1, MAP_ALL),
      "attributes",
    ],
    [
      "is lent a frame of another's and gets its own place back",
      ({ memory }) => {
        memory.unmap(700, 1);
        memory.mapFrame(700, 3, MAP_ALL);
      },
      // The frame that was given back is the only free one of its chunk, and it is where it was.
      ({ memory }) => {
        memory.unmapFrame(700);
        memory.mapFrame(700, memory.hostFrame(699)! + 1, MAP_ALL);
      },
      "elsewhere",
    ],
  ])(
    "its region is small at once, the other stays large, and is large again when it is asked for next: it %s",
    (_, change, back, why) => {
      const partition = partitionOf(new HostMemory(8 * MIB), 2 * CHUNK);
      const { map } = partition.memory;
      const large = new LargePages(map);
      partition.memory.onMapChange((firstPage, pageCount) => large.mapChanged(firstPage, pageCount));
      expect([0, CHUNK].map((page) => large.backing(page))).toEqual([map[0], map[CHUNK]]);
      change(partition);
      expect([0, CHUNK].map((page) => large.backing(page))).toEqual([map[0], 0]);
      expect(promotionOf(21, map, CHUNK)).toBe(why);
      expect(large.sizes()).toEqual({ large: 1, small: CHUNK });
      back(partition);
      expect([0, CHUNK].map((page) => large.backing(page))).toEqual([map[0], map[CHUNK]]);
    },
  );

  it("4.3/9: nothing is looked at before it is asked for", () => {
    const map = mapOf();
    let reads = 0;
    const counted = new Proxy(map, {
      get: (target, name) => {
        if (typeof name === "string" && /^\d+$/.test(name)) reads++;
        return Reflect.get(target, name);
      },
    });
    const large = new LargePages(counted);
    large.mapChanged(0, 3 * CHUNK);
    expect(reads).toBe(0);
    large.backing(CHUNK);
    expect(reads).toBeGreaterThanOrEqual(CHUNK);
    reads = 0;
    large.backing(CHUNK);
    expect(reads).toBe(1);
    large.backing(0);
    reads = 0;
    large.backing(0);
    large.mapChanged(CHUNK + 3, 1);
    expect(reads).toBe(0);
  });
});

describe("large pages 4.3/11 and 4.3/12: over random changes of the map", () => {
  it("a large page translates as the small ones do, is never missed, and large times 512 and small are all pages", () => {
    const REGIONS = 4;
    const chunk = fc.nat(REGIONS - 1);
    // Most changes are of whole regions or undo an earlier one: else no region would be large again.
    const change = fc.oneof(
      fc.record({
        kind: fc.constant("back" as const),
        at: chunk,
        to: chunk,
        rights: fc.constantFrom(MAP_ALL, MAP_READ),
      }),
      fc.record({
        kind: fc.constant("protect" as const),
        page: fc.nat(REGIONS * CHUNK - 1),
        rights: fc.constantFrom(MAP_ALL, MAP_READ),
      }),
      fc.record({ kind: fc.constant("move" as const), page: fc.nat(REGIONS * CHUNK - 1), frame: fc.nat(4095) }),
      fc.record({ kind: fc.constant("hole" as const), page: fc.nat(REGIONS * CHUNK - 1), pages: fc.nat(700) }),
      fc.record({ kind: fc.constant("shift" as const), at: chunk, by: fc.nat(2) }),
    );
    let promoted = 0;
    fc.assert(
      fc.property(fc.array(change, { maxLength: 20 }), (changes) => {
        const map = new Int32Array(REGIONS * CHUNK + 100);
        const large = new LargePages(map);
        const back = (at: number, frame: number, rights: number) => {
          for (let page = 0; page < CHUNK; page++) map[at * CHUNK + page] = mapEntry(frame + page, rights);
          large.mapChanged(at * CHUNK, CHUNK);
        };
        for (const step of changes) {
          if (step.kind === "back") back(step.at, step.to * CHUNK, step.rights);
          else if (step.kind === "shift") back(step.at, 4 * CHUNK + step.by, MAP_ALL);
          else if (step.kind === "hole") {
            map.fill(0, step.page, step.page + step.pages);
            large.mapChanged(step.page, step.pages);
          } else {
            const before = map[step.page]!;
            map[step.page] =
              step.kind === "move" ? mapEntry(step.frame, MAP_ALL) : before === 0 ? 0 : (before & ~7) | step.rights;
            large.mapChanged(step.page, 1);
          }
          let mapped = 0;
          for (let region = 0; region <= REGIONS; region++) {
            const entries = map.slice(region * CHUNK, (region + 1) * CHUNK);
            const backing = large.backing(region * CHUNK);
            const asLarge = entries.map((_, piece) => mapEntry((backing >>> 12) + piece, backing & 0xfff));
            const equal = entries.length === CHUNK && asLarge.every((entry, piece) => entry === entries[piece]);
            if (backing !== 0) {
              promoted++;
              expect(equal && (backing >>> 12) % CHUNK === 0).toBe(true);
            } else {
              const whole = entries.length === CHUNK && entries[0] !== 0 && (entries[0]! >>> 12) % CHUNK === 0;
              const next = entries.map((_, piece) => mapEntry((entries[0]! >>> 12) + piece, entries[0]! & 0xfff));
              expect(whole && entries.every((entry, piece) => entry === next[piece])).toBe(false);
            }
            mapped += entries.filter((entry) => entry !== 0).length;
          }
          const sizes = large.sizes();
          expect(sizes.large * CHUNK + sizes.small).toBe(mapped);
        }
      }),
      { numRuns: 300 },
    );
    expect(promoted).toBeGreaterThan(300);
  });
});
