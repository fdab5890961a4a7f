import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type GuestPhysicalMemory, Hypervisor } from "../../src/hypervisor/index.ts";
import { VirtualMemory } from "../../src/paging/index.ts";
import { enterLongMode, map } from "./guest-tables.ts";

const MIB = 2 ** 20;
const PAGES = 8;

/** Eight pages, no two of which lie side by side in the host. */
function memoryOf(): GuestPhysicalMemory {
  const host = new Hypervisor({ memoryBytes: 4 * MIB });
  const create = (name: string, pages: number) =>
    host.createPartition({ name, memoryBytes: pages * 4096, processors: 1 });
  const single = Array.from({ length: 2 * PAGES }, (_, i) => create(`${i}`, 1));
  for (let i = 0; i < single.length; i += 2) host.destroy(single[i]!);
  return create("web", PAGES).memory;
}

const refuses = (code: string) => expect.objectContaining({ code });

describe("guest physical memory", () => {
  it("keeps the guest's view whole although its host frames are not contiguous", () => {
    const memory = memoryOf();
    expect(Array.from({ length: PAGES }, (_, page) => memory.hostFrame(page))).toEqual([0, 2, 4, 6, 8, 10, 12, 14]);
    const bytes = Uint8Array.from({ length: PAGES * 4096 }, (_, i) => (i * 31) >> 3);
    memory.write(0, bytes);
    expect(Buffer.from(memory.read(0, bytes.length)).equals(bytes)).toBe(true);
  });

  it("behaves as one byte array does, for values of every width at any alignment", () => {
    const size = PAGES * 4096;
    const address = fc.oneof(
      fc.nat(size - 8),
      fc.tuple(fc.nat(PAGES - 2), fc.nat(14)).map(([page, i]) => (page + 1) * 4096 - 7 + i),
    );
    const write = fc.record({ address, width: fc.constantFrom(1, 2, 4, 8), value: fc.bigInt(0n, 2n ** 64n - 1n) });
    fc.assert(
      fc.property(fc.array(write, { maxLength: 40 }), (writes) => {
        const memory = memoryOf();
        const twin = new DataView(new ArrayBuffer(size));
        for (const { address, width, value } of writes) {
          const number = Number(BigInt.asUintN(32, value));
          if (width === 1) {
            memory.writeU8(address, number);
            twin.setUint8(address, number);
            expect(memory.readU8(address)).toBe(twin.getUint8(address));
          } else if (width === 2) {
            memory.writeU16(address, number);
            twin.setUint16(address, number, true);
            expect(memory.readU16(address)).toBe(twin.getUint16(address, true));
          } else if (width === 4) {
            memory.writeU32(address, number);
            twin.setUint32(address, number, true);
            expect(memory.readU32(address)).toBe(twin.getUint32(address, true));
            const aligned = address & ~3;
            expect(memory.readWord(aligned)).toBe(twin.getInt32(aligned, true));
          } else {
            memory.writeU64(address, value);
            twin.setBigUint64(address, value, true);
            expect(memory.readU64(address)).toBe(twin.getBigUint64(address, true));
          }
        }
        expect(Buffer.from(memory.read(0, size)).equals(new Uint8Array(twin.buffer))).toBe(true);
      }),
      { numRuns: 100 },
    );
  });

  it("hands out a page itself, not a copy, and copies where it says so", () => {
    const memory = memoryOf();
    const copy = memory.read(0x2000, 16);
    memory.view(2)[5] = 0x77;
    expect(memory.readU8(0x2005)).toBe(0x77);
    expect(copy[5]).toBe(0);
    memory.fill(0x1ffe, 4, 0xee);
    expect(memory.readU32(0x1ffe)).toBe(0xeeee_eeee);
  });

  it("a hole refuses every access, keeps what lies beside it, and is absent to a dump", () => {
    const memory = memoryOf();
    memory.unmap(3, 2);
    memory.unmap(3, 2);
    expect(memory.runs()).toEqual([
      { firstPage: 0, pageCount: 3 },
      { firstPage: 5, pageCount: 3 },
    ]);
    expect([2, 3, 4, 5, 8, -1].map((page) => memory.pageState(page))).toEqual([
      "present",
      "absent",
      "absent",
      "present",
      "absent",
      "absent",
    ]);
    const hole = refuses("hypervisor/unmapped-gpa");
    const accesses = [
      () => memory.readU8(0x3000),
      () => memory.readU32(0x2fff),
      () => memory.writeU64(0x2ffc, -1n),
      () => memory.write(0x2000, new Uint8Array(0x1001).fill(9)),
      () => memory.fill(0x2fff, 2, 9),
      () => memory.readWord(0x4000),
      () => memory.writeWord(0x4000, 1),
      () => memory.view(4),
      () => memory.readU8(PAGES * 4096),
      () => memory.readU8(2 ** 32),
      () => memory.readU8(2 ** 52 - 1),
      () => memory.readU8(-1),
    ];
    for (const access of accesses) expect(access).toThrow(hole);
    expect(() => memory.read(0x2fff, 2)).toThrow(refuses("memory/absent"));
    expect(() => memory.read(0, 2 ** 50)).toThrow(refuses("memory/absent"));
    expect([...memory.read(0x2000, 0x1000)].every((byte) => byte === 0)).toBe(true);
    expect(memory.readU8(0x5000)).toBe(0);
  });

  it("is what a debugger's virtual memory reads through the guest's own page tables", () => {
    const host = new Hypervisor({ memoryBytes: 4 * MIB });
    const { memory, processors } = host.createPartition({ name: "web", memoryBytes: MIB, processors: 1 });
    enterLongMode(memory, processors[0]!);
    map(memory, 0x10, 0x20);
    map(memory, 0x11, 0x30);
    processors[0]!.write(0x10_ff0n, new TextEncoder().encode("written by the guest"));
    const before = memory.read(0, MIB);
    const virtual = new VirtualMemory(memory, { root: 0x1000, levels: 4 });
    expect(new TextDecoder().decode(virtual.read(0x10_ff0n, 20))).toBe("written by the guest");
    expect(Buffer.from(memory.read(0, MIB)).equals(before)).toBe(true);
  });
});

describe("host memory", () => {
  it("large partitions get whole 2 MiB chunks, aligned in guest and host alike, even after small ones came and went", () => {
    const host = new Hypervisor({ memoryBytes: 16 * MIB });
    host.createPartition({ name: "small", memoryBytes: 5 * 4096, processors: 1 });
    const { memory } = host.createPartition({ name: "large", memoryBytes: 5 * MIB, processors: 1 });
    for (const firstPage of [0, 512]) {
      const frame = memory.hostFrame(firstPage)!;
      expect(frame % 512).toBe(0);
      for (let page = 0; page < 512; page++) expect(memory.hostFrame(firstPage + page)).toBe(frame + page);
    }
  });

  it("small partitions go where a chunk is broken already, and a chunk that comes back whole is handed out whole", () => {
    const host = new Hypervisor({ memoryBytes: 4 * MIB });
    const create = (name: string, pages: number) =>
      host.createPartition({ name, memoryBytes: pages * 4096, processors: 1 });
    const large = create("large", 512);
    expect(create("first", 5).memory.hostFrame(0)).toBe(512);
    host.destroy(large);
    expect(create("second", 1).memory.hostFrame(0)).toBe(517);
    expect(create("third", 512).memory.hostFrame(0)).toBe(0);
  });

  it("no frame has two owners, none is lost, and none keeps what a former owner left", () => {
    const step = fc.record({ create: fc.boolean(), pages: fc.integer({ min: 1, max: 900 }), which: fc.nat(9) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
        const host = new Hypervisor({ memoryBytes: 8 * MIB - 3 * 4096 });
        const total = host.counters().hostPages!;
        let number = 0;
        for (const { create, pages, which } of steps) {
          const free = host.counters().hostPagesFree!;
          if (create) {
            const make = () => host.createPartition({ name: `p${number++}`, memoryBytes: pages * 4096, processors: 1 });
            if (pages > free) {
              expect(make).toThrow(refuses("hypervisor/out-of-memory"));
              expect(host.counters().hostPagesFree).toBe(free);
              continue;
            }
            const { memory } = make();
            for (let page = 0; page < pages; page++) {
              const view = memory.view(page);
              expect(view[0]! | view[4095]!).toBe(0);
              view[0] = view[4095] = 0xff;
            }
          } else if (host.partitions.length > 0) host.destroy(host.partitions[which % host.partitions.length]!);
          const owned = host.partitions.flatMap(({ memory }) =>
            Array.from({ length: memory.pages }, (_, page) => memory.hostFrame(page)!),
          );
          expect(new Set(owned).size).toBe(owned.length);
          expect(host.counters().hostPagesFree).toBe(total - owned.length);
        }
      }),
      { numRuns: 40 },
    );
  });

  it.each([0, -4096, 4095, 4097, 2 ** 33, 1.5, Number.NaN])("%d bytes are no memory size", (memoryBytes) => {
    expect(() => new Hypervisor({ memoryBytes })).toThrow(refuses("hypervisor/memory-size"));
    const host = new Hypervisor({ memoryBytes: MIB });
    expect(() => host.createPartition({ name: "a", memoryBytes, processors: 1 })).toThrow(
      refuses("hypervisor/memory-size"),
    );
    expect(host.partitions).toEqual([]);
  });
});
