import { describe, expect, it } from "vitest";
import { X64_REGISTERS } from "../../src/binary/index.ts";
import { type EngineKind, GeneralProtectionFault, Hypervisor, PageFault } from "../../src/hypervisor/index.ts";
import {
  ACCESS_FETCH,
  ACCESS_IMPLICIT,
  ACCESS_USER,
  ACCESS_WRITE,
  CR0_PE,
  CR0_PG,
  CR0_WP,
  CR4_PAE,
  CR4_PKE,
  CR4_SMAP,
  CR4_SMEP,
  EFER_LMA,
  EFER_LME,
  EFER_NXE,
  RFLAGS_AC,
} from "../../src/paging/index.ts";
import { enterLongMode, map, PTE } from "./guest-tables.ts";

const MIB = 2 ** 20;

const ENGINES = ["walk", "tlb", "shadow"] as const;

function guest(engine: EngineKind = "walk") {
  const host = new Hypervisor({ memoryBytes: 4 * MIB });
  const partition = host.createPartition({ name: "web", memoryBytes: MIB, processors: 2, engine });
  const { memory } = partition;
  const processor = partition.processors[0]!;
  enterLongMode(memory, processor);
  map(memory, 0, 0x40);
  map(memory, 1, 0x60);
  return { host, partition, memory, processor, registers: processor.registers };
}

const faultOf = (action: () => unknown): PageFault => {
  try {
    action();
  } catch (error) {
    if (error instanceof PageFault) return error;
    throw error;
  }
  throw new Error("no page fault");
};

describe.each(ENGINES)("a virtual processor accesses linear memory (%s)", (engine) => {
  it("in words by the many, each an access, until one is refused", () => {
    const { processor, memory } = guest(engine);
    const lows = Int32Array.of(0x10, 0x1ffc, 0x14, 0x10);
    const words = Int32Array.of(1, -2, 3, 4);
    const before = processor.accesses;
    processor.writeWords(0, lows, 4, words);
    expect([memory.readWord(0x4_0010), memory.readWord(0x6_0ffc), memory.readWord(0x4_0014)]).toEqual([4, -2, 3]);
    expect(processor.accesses).toBe(before + 4);
    const read = new Int32Array(4);
    processor.readWords(0, lows, 3, read);
    expect([...read]).toEqual([4, -2, 3, 0]);
    lows[2] = 0x9000;
    const fault = faultOf(() => processor.writeWords(0, lows, 4, Int32Array.of(7, 8, 9, 10)));
    expect([fault.address, fault.errorCode & 3, processor.registers.cr2]).toEqual([0x9000n, 2, 0x9000n]);
    expect([memory.readWord(0x4_0010), memory.readWord(0x6_0ffc)]).toEqual([7, 8]);
    expect(processor.accesses).toBe(before + 10);
    expect(processor.pageFaults).toBe(1);
    processor.reset();
    processor.readWords(0, Int32Array.of(0x4_0010), 1, read);
    expect(read[0]).toBe(7);
  });

  it("through the guest's page tables, with values of every width, across pages that lie apart", () => {
    const { processor, memory } = guest(engine);
    processor.writeU8(0x10n, 0x1_23);
    processor.writeU16(0xfffn, 0xbbaa);
    expect([memory.readU8(0x4_0010), memory.readU8(0x4_0fff), memory.readU8(0x6_0000)]).toEqual([0x23, 0xaa, 0xbb]);
    for (const at of [0x100n, 0xffdn, 0xff9n]) {
      processor.writeU64(at, 0x1122_3344_5566_7788n);
      expect(processor.readU64(at)).toBe(0x1122_3344_5566_7788n);
      processor.writeU32(at, 0xdead_beef);
      expect(processor.readU32(at)).toBe(0xdead_beef);
      processor.writeU16(at + 2n, 0xcafe);
      expect([processor.readU16(at + 2n), processor.readU8(at + 3n), processor.readU32(at)]).toEqual([
        0xcafe, 0xca, 0xcafe_beef,
      ]);
    }
    const bytes = Uint8Array.from({ length: 0x1800 }, (_, i) => i * 13);
    processor.write(0x7f0n, bytes);
    expect(Buffer.from(processor.read(0x7f0n, 0x1800)).equals(bytes)).toBe(true);
    expect(Buffer.from(memory.read(0x6_0000, 16)).equals(bytes.subarray(0x810, 0x820))).toBe(true);
  });

  it("across the border where the lower half of an address is full", () => {
    const { processor, memory } = guest(engine);
    // The last page below 4 GiB and the first above it: directory pointers 3 and 4, two page tables.
    memory.writeU64(0x2000 + 3 * 8, 0x8007n);
    memory.writeU64(0x2000 + 4 * 8, 0xa007n);
    memory.writeU64(0x8000 + 511 * 8, 0x9007n);
    memory.writeU64(0xa000, 0xb007n);
    memory.writeU64(0x9000 + 511 * 8, 0x7_0003n);
    memory.writeU64(0xb000, 0x5_0003n);
    processor.writeU64(0xffff_fffcn, 0x1122_3344_5566_7788n);
    expect([memory.readU32(0x7_0ffc), memory.readU32(0x5_0000)]).toEqual([0x5566_7788, 0x1122_3344]);
    expect(processor.readU64(0xffff_fffcn)).toBe(0x1122_3344_5566_7788n);
  });

  it("and sets accessed and dirty flags in the guest's tables, to be seen when they are synchronised", () => {
    const { partition, processor, memory } = guest(engine);
    processor.readU8(0n);
    partition.synchronizeFlags();
    expect([memory.readU64(0x1000), memory.readU64(PTE(0))]).toEqual([0x2027n, 0x4_0023n]);
    processor.writeU32(0xffen, 1);
    partition.synchronizeFlags();
    expect([memory.readU64(PTE(0)), memory.readU64(PTE(1))]).toEqual([0x4_0063n, 0x6_0063n]);
  });

  it("a refused access is a page fault with address, error code and CR2; the machine is as before", () => {
    const { processor, memory, registers, host } = guest(engine);
    const fault = faultOf(() => processor.writeU8(0x5008n, 1, ACCESS_USER));
    expect([fault.address, fault.errorCode, registers.cr2]).toEqual([0x5008n, 0b110, 0x5008n]);
    const tables = memory.read(0x1000, 0x4000);
    expect(Buffer.from(tables).readBigUInt64LE(0)).toBe(0x2007n);
    expect(host.counters()).toMatchObject({ reflectedGuestPageFaults: 1 });
  });

  it("a write whose second page refuses writes nothing and marks neither page", () => {
    const { processor, memory } = guest(engine);
    map(memory, 2, 0x70, 1n);
    const before = memory.read(0, MIB);
    const writes = [
      () => processor.writeU32(0x1ffen, -1),
      () => processor.writeU64(0x1fffn, -1n),
      () => processor.write(0xff0n, new Uint8Array(0x1100).fill(1)),
    ];
    for (const write of writes) {
      const fault = faultOf(write);
      expect([fault.address, fault.errorCode]).toEqual([0x2000n, 0b011]);
    }
    expect(Buffer.from(memory.read(0, MIB)).equals(before)).toBe(true);
  });

  it("an address that is not canonical is a general protection fault and leaves CR2 alone", () => {
    const { processor, registers } = guest(engine);
    expect(() => processor.readU8(0x8000_0000_0000n)).toThrow(GeneralProtectionFault);
    expect(() => processor.write(0x7fff_ffff_fff0n, new Uint8Array(32))).toThrow(PageFault);
    registers.cr2 = 7n;
    expect(() => processor.read(0xffff_7fff_ffff_fff0n, 8)).toThrow(GeneralProtectionFault);
    expect(registers.cr2).toBe(7n);
  });

  it("a mapping to guest physical memory that does not exist is the host's business, not a page fault", () => {
    const { processor, memory } = guest(engine);
    map(memory, 3, 0x5000);
    const before = memory.read(0x4_0000, 0x1000);
    for (const read of [() => processor.readU8(0x3000n), () => processor.read(0x3000n, 8)])
      expect(read).toThrow(expect.objectContaining({ code: "hypervisor/unmapped-gpa" }));
    map(memory, 1, 0x5000);
    expect(() => processor.writeU64(0xffcn, -1n)).toThrow(expect.objectContaining({ code: "hypervisor/unmapped-gpa" }));
    expect(Buffer.from(memory.read(0x4_0000, 0x1000)).equals(before)).toBe(true);
  });
});

describe("a partition's engine", () => {
  it("counts what it does, and the hypervisor adds it up over all processors", () => {
    const { host, partition } = guest("tlb");
    enterLongMode(partition.memory, partition.processors[1]!);
    const before = host.counters();
    for (const processor of partition.processors) {
      for (const address of [0n, 8n, 0x1000n]) processor.readU8(address);
      processor.invlpg(0n);
      processor.readU8(0n);
    }
    const after = host.counters();
    const more = (name: string) => after[name]! - before[name]!;
    expect([more("smallPageTlbFills"), more("largePageTlbFills"), more("localGvaRangeFlushes")]).toEqual([6, 0, 2]);
  });

  it("shadow paging 1.4/17: owes the page tables no flag once the partition is suspended or its memory handed out", () => {
    const { host, partition, processor, memory } = guest("shadow");
    const dumper = host.dumpPartition();
    processor.readU8(0n);
    const pte = () => Buffer.from(host.guestMemory(dumper, partition).read(PTE(0), 8)).readBigUInt64LE();
    expect(pte()).toBe(0x4_0023n);
    processor.writeU8(0n, 1);
    partition.suspend();
    expect(memory.readU64(PTE(0))).toBe(0x4_0063n);
  });
});

describe("a virtual processor obeys its control registers as they stand", () => {
  it("WP, SMEP, SMAP with RFLAGS.AC, protection keys, and the root of the tables", () => {
    const { processor, memory, registers } = guest();
    map(memory, 2, 0x50, 1n);
    expect(faultOf(() => processor.writeU8(0x2000n, 1)).errorCode).toBe(0b011);
    registers.cr0 &= ~BigInt(CR0_WP);
    processor.writeU8(0x2000n, 1);

    map(memory, 3, 0x51, 7n | (2n << 59n));
    processor.readU8(0x3000n, ACCESS_FETCH);
    registers.cr4 |= BigInt(CR4_SMEP | CR4_SMAP | CR4_PKE);
    expect(faultOf(() => processor.readU8(0x3000n, ACCESS_FETCH)).errorCode).toBe(0b10001);
    expect(faultOf(() => processor.readU8(0x3000n)).errorCode).toBe(0b00001);
    registers.rflags |= BigInt(RFLAGS_AC);
    processor.readU8(0x3000n);
    expect(faultOf(() => processor.readU8(0x3000n, ACCESS_IMPLICIT)).errorCode).toBe(0b00001);
    processor.pkru = 0b01 << 4;
    expect(faultOf(() => processor.readU8(0x3000n, ACCESS_USER)).errorCode).toBe(0b100101);

    memory.write(0x8000, memory.read(0x1000, 0x1000));
    memory.writeU64(0x1000, 0n);
    expect(faultOf(() => processor.readU8(0n)).errorCode).toBe(0);
    registers.cr3 = 0x8000n;
    processor.readU8(0n);
  });

  it("each processor has its own", () => {
    const { partition } = guest();
    const other = partition.processors[1]!;
    partition.memory.writeU8(0x123, 0x5a);
    expect(other.readU8(0x123n)).toBe(0x5a);
    expect(() => other.readU8(0x7fff_0000n)).toThrow(expect.objectContaining({ code: "hypervisor/unmapped-gpa" }));
  });

  it("with paging on but no long mode it says so", () => {
    const { registers, processor } = guest();
    registers.efer = 0n;
    expect(() => processor.readU8(0n)).toThrow(expect.objectContaining({ code: "hypervisor/paging-mode" }));
    registers.cr4 &= ~BigInt(CR4_PAE);
    registers.cr0 = BigInt(CR0_PE);
    expect(processor.readU8(0n)).toBe(0);
  });

  it("EFER.LMA says whether long mode is active, and cannot be assigned", () => {
    const { registers } = guest();
    const { cr0 } = registers;
    expect(registers.efer).toBe(BigInt(EFER_LME | EFER_LMA | EFER_NXE));
    registers.efer &= ~BigInt(EFER_LMA);
    expect(registers.efer & BigInt(EFER_LMA)).not.toBe(0n);
    registers.cr0 &= ~BigInt(CR0_PG);
    expect(registers.efer).toBe(BigInt(EFER_LME | EFER_NXE));
    registers.efer |= BigInt(EFER_LMA);
    expect(registers.efer).toBe(BigInt(EFER_LME | EFER_NXE));
    registers.cr0 = cr0;
    expect(registers.efer & BigInt(EFER_LMA)).not.toBe(0n);
  });

  it("registers are 64 bits wide, all of them there, and plain to copy", () => {
    const { registers } = guest();
    registers.rax = -1n;
    registers.r15 = 1n << 64n;
    expect([registers.rax, registers.r15]).toEqual([0xffff_ffff_ffff_ffffn, 0n]);
    const copy: Readonly<Record<string, bigint>> = { ...registers };
    expect(Object.keys(copy)).toEqual([...X64_REGISTERS]);
    expect(copy.cr0).toBe(BigInt(CR0_PG) + BigInt(CR0_PE | CR0_WP));
  });

  it("translate on numbers gives the system physical address and the same faults", () => {
    const { processor, memory } = guest();
    expect(processor.translate(0, 0x1abc, 0)).toBe(memory.hostFrame(0x60)! * 4096 + 0xabc);
    expect(faultOf(() => processor.translate(-1, 0, ACCESS_WRITE)).address).toBe(0xffff_ffff_0000_0000n);
  });
});
