import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PAGE_SIZE, type PageState, type PhysicalMemory, StopcodeError } from "../../src/binary/index.ts";
import { VirtualMemory } from "../../src/paging/index.ts";
import { referenceWalk } from "./reference-walker.ts";
import { plainMachine } from "./table-pages.ts";

/** Physical memory of pages that may be missing; counts what is asked of it and lets nothing be changed. */
class SparseMemory implements PhysicalMemory {
  readonly pages = new Map<number, Uint8Array>();
  readonly damaged = new Set<number>();
  /** Hands out bytes that do not begin on a word, as a view into a file's buffer may not. */
  unaligned = false;
  reads = 0;

  pageState(pfn: number): PageState {
    return this.pages.has(pfn) ? "present" : "absent";
  }

  runs() {
    return [...this.pages.keys()].sort((a, b) => a - b).map((firstPage) => ({ firstPage, pageCount: 1 }));
  }

  read(address: number, length: number): Uint8Array {
    this.reads++;
    const page = this.pages.get(Math.floor(address / PAGE_SIZE));
    if (page === undefined || address % PAGE_SIZE !== 0 || length !== PAGE_SIZE)
      throw new StopcodeError("memory/absent", `${address} is absent`);
    if (this.damaged.has(address / PAGE_SIZE)) throw new StopcodeError("dump/damaged", `${address} is damaged`);
    if (!this.unaligned) return page.slice();
    const shifted = new Uint8Array(PAGE_SIZE + 1);
    shifted.set(page, 1);
    return shifted.subarray(1);
  }

  page(pfn: number): Uint8Array {
    const known = this.pages.get(pfn) ?? new Uint8Array(PAGE_SIZE);
    this.pages.set(pfn, known);
    return known;
  }

  entry(address: number): bigint {
    const page = this.pages.get(Math.floor(address / PAGE_SIZE));
    return page === undefined ? 0n : new DataView(page.buffer).getBigUint64(address % PAGE_SIZE, true);
  }

  setEntry(address: number, value: bigint): void {
    new DataView(this.page(Math.floor(address / PAGE_SIZE)).buffer).setBigUint64(address % PAGE_SIZE, value, true);
  }
}

const NX = 1n << 63n;

/** Kernel half, last PML4 slot: pages 0-3 small, the next 2 MiB large, the next 1 GiB larger still. */
function machine() {
  const memory = new SparseMemory();
  memory.setEntry(0x1000 + 511 * 8, 0x2003n);
  memory.setEntry(0x2000 + 0 * 8, 0x3003n);
  memory.setEntry(0x2000 + 1 * 8, 0x4000_0083n);
  memory.setEntry(0x3000 + 0 * 8, 0x4003n);
  memory.setEntry(0x3000 + 1 * 8, 0x80_0081n | NX);
  memory.setEntry(0x4000 + 0 * 8, 0x9_0003n);
  memory.setEntry(0x4000 + 1 * 8, 0x5_0003n);
  memory.setEntry(0x4000 + 2 * 8, 0x7_0000n);
  memory.setEntry(0x4000 + 3 * 8, 0x7_0003n);
  memory.page(0x90).fill(0x11);
  memory.page(0x50).fill(0x22);
  memory.page(0x801).fill(0x33);
  memory.page(0x4_0123).fill(0x44);
  return memory;
}
const BASE = 0xffff_ff80_0000_0000n;
const over = (memory: PhysicalMemory) => new VirtualMemory(memory, { root: 0x1000, levels: 4 });

const codeOf = (action: () => unknown) => {
  try {
    action();
  } catch (error) {
    if (error instanceof StopcodeError) return { code: error.code, address: error.where.address };
    throw error;
  }
  return null;
};

describe("virtual memory reads through page tables", () => {
  it("across pages that lie apart in physical memory", () => {
    const bytes = over(machine()).read(BASE + 0xffen, 4);
    expect([...bytes]).toEqual([0x11, 0x11, 0x22, 0x22]);
  });

  it("in 2 MiB and 1 GiB pages", () => {
    const memory = over(machine());
    expect([...memory.read(BASE + 0x20_1010n, 2)]).toEqual([0x33, 0x33]);
    expect([...memory.read(BASE + 0x4012_3fffn, 1)]).toEqual([0x44]);
    expect(memory.translate(BASE + 0x20_1010n)).toEqual({
      physical: 0x80_1010,
      pageBytes: 0x20_0000,
      writable: false,
      user: false,
      executable: false,
    });
    expect(memory.translate(BASE + 0x4012_3fffn)).toMatchObject({ physical: 0x4012_3fff, pageBytes: 0x4000_0000 });
  });

  it("with five levels, whose addresses four levels do not have", () => {
    const memory = new SparseMemory();
    memory.setEntry(0x1000 + 256 * 8, 0x2003n);
    memory.setEntry(0x2000, 0x3003n);
    memory.setEntry(0x3000, 0x4003n);
    memory.setEntry(0x4000, 0x83n);
    memory.page(7).fill(0x55);
    const five = new VirtualMemory(memory, { root: 0x1000, levels: 5 });
    expect([...five.read(0xff00_0000_0000_7000n, 2)]).toEqual([0x55, 0x55]);
    expect(over(memory).tryRead(0xff00_0000_0000_7000n, 2)).toBeNull();
  });

  it("across the border where the lower half of an address is full", () => {
    const memory = machine();
    memory.setEntry(0x2000 + 3 * 8, 0x83n);
    memory.setEntry(0x2000 + 4 * 8, 0x4_0000_0083n);
    memory.page(0x3_ffff).fill(0x66);
    memory.page(0x40_0000).fill(0x77);
    expect([...over(memory).read(BASE + 0xffff_fffen, 4)]).toEqual([0x66, 0x66, 0x77, 0x77]);
  });

  it("over a memory whose pages do not begin on a word", () => {
    const memory = machine();
    memory.unaligned = true;
    expect([...over(memory).read(BASE + 0xffen, 4)]).toEqual([0x11, 0x11, 0x22, 0x22]);
  });

  it("through tables whose pages displace each other in the cache", () => {
    const memory = machine();
    // Frames 4 and 0x404 share a slot: the page table of the first 2 MiB and that of the third.
    memory.setEntry(0x3000 + 2 * 8, 0x40_4003n);
    memory.setEntry(0x40_4000, 0x5_0003n);
    const virtual = over(memory);
    for (let i = 0; i < 2; i++) {
      expect([...virtual.read(BASE + BigInt(i), 1)]).toEqual([0x11]);
      expect([...virtual.read(BASE + 0x40_0000n + BigInt(i), 1)]).toEqual([0x22]);
      expect([...virtual.read(BASE + 0x1000n + BigInt(i), 1)]).toEqual([0x22]);
    }
  });

  it("ignores the low bits of the root (PCID) and no protection stops it", () => {
    const memory = machine();
    const supervisorOnly = new VirtualMemory(memory, { root: 0x1abc, levels: 4 });
    expect([...supervisorOnly.read(BASE, 1)]).toEqual([0x11]);
    for (const [at, value] of [
      [0x1000 + 511 * 8, 0x2007n],
      [0x2000, 0x3007n],
      [0x3000, 0x4007n],
      [0x4000, 0x9_0007n],
    ] as const)
      memory.setEntry(at, value);
    expect(over(memory).translate(BASE)).toMatchObject({ physical: 0x9_0000, user: true, writable: true });
  });
});

describe("virtual memory says why it cannot read", () => {
  it("not mapped, at the first byte that is not", () => {
    const memory = over(machine());
    expect(codeOf(() => memory.read(BASE + 0x1ff0n, 0x20))).toEqual({
      code: "memory/not-mapped",
      address: "0xffffff8000002000",
    });
    expect(memory.tryRead(BASE + 0x1ff0n, 0x20)).toBeNull();
    expect(memory.translate(BASE + 0x2000n)).toBeNull();
  });

  it("absent, where the page that is mapped is not in the dump", () => {
    const memory = over(machine());
    expect(codeOf(() => memory.read(BASE + 0x3008n, 8))).toEqual({
      code: "memory/absent",
      address: "0xffffff8000003008",
    });
    expect(memory.tryRead(BASE + 0x3008n, 8)).toBeNull();
    expect(memory.translate(BASE + 0x3008n)).toMatchObject({ physical: 0x7_0008 });
  });

  it("absent, where a page table is not in the dump", () => {
    const bare = machine();
    bare.pages.delete(4);
    expect(codeOf(() => over(bare).read(BASE, 1))).toMatchObject({ code: "memory/absent" });
    const virtual = over(bare);
    expect(virtual.translate(BASE)).toBeNull();
    expect([...virtual.read(BASE + 0x20_1000n, 1)]).toEqual([0x33]);
    expect(codeOf(() => virtual.read(0n, 1))).toMatchObject({ code: "memory/not-mapped" });
  });

  it("absent, where the dump has the page but cannot deliver it", () => {
    const memory = machine();
    memory.damaged.add(0x50);
    expect(codeOf(() => over(memory).read(BASE + 0xff8n, 16))).toEqual({
      code: "memory/absent",
      address: "0xffffff8000001000",
    });
  });

  it("an address that is not canonical, and a length that no reader means", () => {
    const memory = over(machine());
    expect(codeOf(() => memory.read(0x8000_0000_0000n, 1))).toMatchObject({ code: "memory/not-mapped" });
    for (const length of [2 ** 40, -1, 0.5, Number.NaN]) {
      expect(codeOf(() => memory.read(BASE, length))).toMatchObject({ code: "memory/too-long" });
      expect(memory.tryRead(BASE, length)).toBeNull();
    }
    expect(memory.read(BASE, 0)).toHaveLength(0);
  });
});

describe("virtual memory asks for little", () => {
  it("a page that was read serves all later reads, and so does its translation", () => {
    const memory = machine();
    const virtual = over(memory);
    virtual.read(BASE, 8);
    const first = memory.reads;
    for (let offset = 0n; offset < 0x1000n; offset += 8n) virtual.read(BASE + offset, 8);
    expect([first, memory.reads]).toEqual([5, 5]);
  });

  it("a page that is known to be absent is not asked for", () => {
    const memory = machine();
    expect(over(memory).tryRead(BASE + 0x3000n, 8)).toBeNull();
    expect(memory.reads).toBe(4);
  });
});

describe("virtual memory and the reference walker agree", () => {
  it("byte for byte, on random tables with holes, reads of any length at any address", () => {
    const machineOf = (levels: 4 | 5) => ({ ...plainMachine, levels, maxPhysicalAddressBits: 52 });
    const entry = fc.tuple(fc.nat(9), fc.nat(12), fc.constantFrom(0x3n, 0x7n, 0x1n, 0x83n, 0x2n));
    let readable = 0;
    let unreadable = 0;
    fc.assert(
      fc.property(
        fc.constantFrom(4 as const, 5 as const),
        fc.array(entry, { minLength: 40, maxLength: 40 }),
        fc.array(fc.tuple(fc.array(fc.nat(1), { minLength: 5, maxLength: 5 }), fc.nat(4095), fc.nat(9000)), {
          minLength: 1,
          maxLength: 8,
        }),
        (levels, entries, reads) => {
          const memory = new SparseMemory();
          entries.forEach(([kind, page, flags], i) => {
            const present = kind === 0 ? flags : 0x3n;
            // A large page starts at 0: all ten pages lie in it.
            const target = present === 0x83n ? 0n : BigInt(page) << 12n;
            memory.setEntry((i >> 2) * PAGE_SIZE + (i & 3) * 8, target | present);
          });
          for (const [pfn, page] of memory.pages) for (let i = 64; i < PAGE_SIZE; i++) page[i] = (i * 7 + pfn) & 0xff;
          const virtual = new VirtualMemory(memory, { root: 0x1000, levels });
          for (const [indices, offset, length] of reads) {
            const linear = indices.slice(5 - levels).reduce((sum, i) => (sum << 9n) | BigInt(i), 0n) << 12n;
            const from = linear + BigInt(offset);
            const expected: number[] = [];
            for (let i = 0; i < length; i++) {
              const found = referenceWalk(
                (address) => memory.entry(Number(address)),
                machineOf(levels),
                from + BigInt(i),
                { kind: "read", by: "supervisor", alignmentCheckFlag: false },
              );
              const physical = found.fault === null ? Number(found.physical) : -1;
              const byte = memory.pages.get(Math.floor(physical / PAGE_SIZE))?.[physical % PAGE_SIZE];
              if (byte === undefined) break;
              expected.push(byte);
            }
            const bytes = virtual.tryRead(from, length);
            if (expected.length === length) readable++;
            else unreadable++;
            if (bytes === null) expect(expected.length).toBeLessThan(length);
            else expect(Buffer.from(bytes).equals(Buffer.from(expected))).toBe(true);
          }
        },
      ),
      { numRuns: 60 },
    );
    expect(Math.min(readable, unreadable)).toBeGreaterThan(20);
  });
});
