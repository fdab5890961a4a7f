import { describe, expect, it } from "vitest";
import { GeneralProtectionFault, Hypervisor } from "../../src/hypervisor/index.ts";
import {
  CR0_PE,
  CR0_PG,
  CR0_WP,
  CR4_LA57,
  CR4_PAE,
  CR4_PCIDE,
  CR4_PGE,
  CR4_SMEP,
  EFER_LMA,
} from "../../src/paging/index.ts";
import { enterLongMode, map } from "./guest-tables.ts";

const MIB = 2 ** 20;
const KEEP = 1n << 63n;

function guest(engine: "walk" | "tlb" = "tlb") {
  const partition = new Hypervisor({ memoryBytes: 4 * MIB }).createPartition({
    ...{ name: "web", memoryBytes: MIB, processors: 1 },
    engine,
  });
  const { memory } = partition;
  const processor = partition.processors[0]!;
  enterLongMode(memory, processor);
  map(memory, 0, 0x40);
  for (const [page, byte] of [
    [0x40, 0x4a],
    [0x50, 0x5a],
  ] as const)
    memory.writeU8(page * 4096, byte);
  return { partition, memory, processor, registers: processor.registers };
}

const pcide = BigInt(CR4_PAE | CR4_PCIDE);
const refused = (deed: () => unknown) => expect(deed).toThrow(GeneralProtectionFault);

describe("process-context identifiers, as the conditions of pcid test them", () => {
  it("1: CR4.PCIDE cannot be set while the low 12 bits of CR3 are not 0, and the refused write changes nothing", () => {
    const { processor, registers } = guest();
    processor.moveToCr3(0x1018n);
    refused(() => processor.writeCr4(pcide));
    expect(registers.cr4).toBe(BigInt(CR4_PAE));
    processor.moveToCr3(0x1000n);
    processor.writeCr4(pcide);
    processor.moveToCr3(0x1018n);
    processor.writeCr4(pcide | BigInt(CR4_PGE));
    expect(registers.cr3).toBe(0x1018n);
  });

  it("2: paging cannot be turned off while CR4.PCIDE is set, nor PCIDE set outside long mode", () => {
    const { processor, registers } = guest();
    processor.writeCr4(pcide);
    refused(() => processor.writeCr0(BigInt(CR0_PE)));
    expect(registers.cr0 & BigInt(CR0_PG)).not.toBe(0n);
    processor.writeCr4(BigInt(CR4_PAE));
    processor.writeCr0(BigInt(CR0_PE));
    refused(() => processor.writeCr4(pcide));
  });

  it("3: INVPCID refuses unknown types, reserved bits, an address that is none, and a PCID without PCIDE", () => {
    const { processor } = guest();
    refused(() => processor.invpcid(4, 0, 0n));
    for (const type of [0, 1, 2, 3]) refused(() => processor.invpcid(type, 0x1000, 0n));
    refused(() => processor.invpcid(0, 0, 0x8000_0000_0000n));
    for (const type of [1, 2, 3]) processor.invpcid(type, 0, 0x8000_0000_0000n);
    for (const type of [0, 1]) refused(() => processor.invpcid(type, 1, 0n));
    for (const type of [2, 3]) processor.invpcid(type, 1, 0n);
    processor.writeCr4(pcide);
    for (const type of [0, 1, 2, 3]) processor.invpcid(type, 0xfff, 0n);
  });

  it("4: each type of INVPCID, with and without PCIDE, makes the page that was remapped visible", () => {
    for (const cr4 of [BigInt(CR4_PAE), pcide])
      for (const type of [0, 1, 2, 3]) {
        const { processor, memory } = guest();
        processor.writeCr4(cr4);
        expect(processor.readU8(0n)).toBe(0x4a);
        map(memory, 0, 0x50);
        expect(processor.readU8(0n), "cached").toBe(0x4a);
        processor.invpcid(type, 0, 0n);
        expect(processor.readU8(0n)).toBe(0x5a);
      }
  });

  it("CR3 with bit 63 keeps what is cached, without it does not; without PCIDE the bit is refused", () => {
    const { processor, memory, registers } = guest();
    refused(() => processor.moveToCr3(0x1000n | KEEP));
    processor.writeCr4(pcide);
    processor.readU8(0n);
    map(memory, 0, 0x50);
    processor.moveToCr3(0x1000n | KEEP);
    expect([processor.readU8(0n), registers.cr3]).toEqual([0x4a, 0x1000n]);
    processor.moveToCr3(0x1000n);
    expect(processor.readU8(0n)).toBe(0x5a);
  });
});

describe("control registers refuse what the processor refuses", () => {
  it("CR0: paging without protected mode, NW without CD, bits beyond 31", () => {
    const { processor, registers } = guest();
    const { cr0 } = registers;
    refused(() => processor.writeCr0(BigInt(CR0_PG)));
    refused(() => processor.writeCr0(cr0 | (1n << 29n)));
    processor.writeCr0(cr0 | (3n << 29n));
    refused(() => processor.writeCr0(cr0 | (1n << 32n)));
    processor.writeCr0(cr0 & ~BigInt(CR0_WP));
    expect(registers.cr0).toBe(cr0 & ~BigInt(CR0_WP));
  });

  it("CR0.PG in long mode needs CR4.PAE", () => {
    const { processor, registers } = guest();
    processor.writeCr0(BigInt(CR0_PE));
    processor.writeCr4(0n);
    refused(() => processor.writeCr0(BigInt(CR0_PE | CR0_PG)));
    processor.writeCr4(BigInt(CR4_PAE));
    processor.writeCr0(BigInt(CR0_PE) | BigInt(CR0_PG >>> 0));
    expect(registers.efer & BigInt(EFER_LMA)).not.toBe(0n);
  });

  it("CR4: PAE and LA57 stand in long mode, and bits that are none are refused", () => {
    const { processor } = guest();
    refused(() => processor.writeCr4(0n));
    refused(() => processor.writeCr4(BigInt(CR4_PAE | CR4_LA57)));
    refused(() => processor.writeCr4(BigInt(CR4_PAE) | (1n << 15n)));
    processor.writeCr4(BigInt(CR4_PAE | CR4_SMEP));
  });

  it("CR3: address bits that the machine does not have", () => {
    const { processor, registers } = guest();
    refused(() => processor.moveToCr3(1n << 40n));
    refused(() => processor.moveToCr3(1n << 62n));
    expect(registers.cr3).toBe(0x1000n);
  });

  it("a partition that does not run executes none of these instructions", () => {
    const { partition, processor, registers } = guest();
    partition.suspend();
    const deeds = [
      () => processor.writeCr0(0n),
      () => processor.writeCr4(0n),
      () => processor.moveToCr3(0x2000n),
      () => processor.switchAddressSpace(0x2000n),
      () => processor.invlpg(0n),
      () => processor.invpcid(2, 0, 0n),
    ];
    for (const deed of deeds) expect(deed).toThrow(expect.objectContaining({ code: "hypervisor/not-running" }));
    expect(registers.cr3).toBe(0x1000n);
  });
});

describe("shadow paging 1.4/8: the hypercall that switches address spaces", () => {
  it("changes CR3 and flushes nothing; a value that is refused leaves CR3 as it was", () => {
    const { processor, memory, registers } = guest();
    processor.readU8(0n);
    map(memory, 0, 0x50);
    processor.switchAddressSpace(0x1000n);
    expect(processor.readU8(0n)).toBe(0x4a);
    refused(() => processor.switchAddressSpace(1n << 52n));
    expect(registers.cr3).toBe(0x1000n);
    processor.moveToCr3(0x1000n);
    expect(processor.readU8(0n)).toBe(0x5a);
  });
});

describe("what the partition's map allows", () => {
  it.each(["walk", "tlb"] as const)(
    "binds its processors, at once, and not who reads it from outside (%s)",
    (engine) => {
      const { processor, memory } = guest(engine);
      processor.writeU8(0n, 1);
      memory.protect(0x40, 1, 1);
      const refusal = expect.objectContaining({ code: "hypervisor/map-rights" });
      expect(processor.readU8(0n)).toBe(1);
      expect(() => processor.writeU8(0n, 2)).toThrow(refusal);
      expect(() => processor.writeU64(0n, 2n)).toThrow(refusal);
      memory.writeU8(0x4_0000, 3);
      expect(processor.readU8(0n)).toBe(3);
      memory.protect(0x40, 1, 7);
      processor.writeU8(0n, 2);
      memory.unmap(0x40, 1);
      expect(() => processor.readU8(0n)).toThrow(expect.objectContaining({ code: "hypervisor/unmapped-gpa" }));
    },
  );

  it("a frame of another partition can stand in a hole, and is given back to nobody", () => {
    const hypervisor = new Hypervisor({ memoryBytes: 4 * MIB });
    const [owner, user] = ["owner", "user"].map((name) =>
      hypervisor.createPartition({ name, memoryBytes: MIB, processors: 1 }),
    ) as [ReturnType<Hypervisor["createPartition"]>, ReturnType<Hypervisor["createPartition"]>];
    owner.memory.writeU8(0x5000, 0x77);
    const frame = owner.memory.hostFrame(5)!;
    user.memory.mapFrame(0x8_0000, frame, 1);
    expect(user.memory.readU8(0x8000_0000)).toBe(0x77);
    expect(user.processors[0]!.readU8(0x8000_0000n)).toBe(0x77);
    expect([user.memory.ownsFrame(0x8_0000), user.memory.ownsFrame(0)]).toEqual([false, true]);
    expect(() => user.memory.mapFrame(0, frame, 1)).toThrow(expect.objectContaining({ code: "hypervisor/page-range" }));
    user.memory.unmap(0x8_0000, 1);
    expect(user.memory.readU8(0x8000_0000), "not its own to give back").toBe(0x77);
    hypervisor.destroy(user);
    expect(owner.memory.readU8(0x5000)).toBe(0x77);
    expect(hypervisor.counters().hostPagesFree).toBe(1024 - 256);
  });
});
