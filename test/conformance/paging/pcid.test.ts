import { beforeEach, describe, expect, it } from "vitest";
import { GeneralProtectionFault, Hypervisor, type VirtualProcessor } from "../../../src/hypervisor/index.ts";
import { enterLongMode } from "../../hypervisor/guest-tables.ts";

/** The checks of kvm-unit-tests' pcid.c (paging.md A3 and A2, rules 13 and 14): what #GP is raised for, and what is taken. */

const PCIDE = 1n << 17n;
const PAGING = 1n << 31n;
const KEEP = 1n << 63n;
const NOT_CANONICAL = 0x8000_0000_0000n;

describe("a processor with process-context identifiers", () => {
  let processor: VirtualProcessor;
  let cr4: bigint;
  beforeEach(() => {
    const partition = new Hypervisor({ memoryBytes: 2 ** 21 }).createPartition({
      name: "pcid",
      memoryBytes: 2 ** 20,
      processors: 1,
    });
    processor = partition.processors[0]!;
    enterLongMode(partition.memory, processor);
    cr4 = processor.registers.cr4;
  });

  const refused = (action: () => void) => expect(action).toThrow(GeneralProtectionFault);

  it("has them off: CR3 has no bit 63", () => {
    refused(() => processor.moveToCr3(0x1000n | KEEP));
    processor.moveToCr3(0x1000n);
    expect(processor.registers.cr3).toBe(0x1000n);
  });

  it("turns them on only while CR3 says 0, keeps paging on with them, and takes bit 63 of CR3 then", () => {
    processor.moveToCr3(0x1001n);
    refused(() => processor.writeCr4(cr4 | PCIDE));
    processor.moveToCr3(0x1000n);
    processor.writeCr4(cr4 | PCIDE);
    refused(() => processor.writeCr0(processor.registers.cr0 & ~PAGING));
    processor.moveToCr3(0x1001n | KEEP);
    expect(processor.registers.cr3).toBe(0x1001n);
    processor.writeCr4(cr4);
    expect(processor.registers.cr4).toBe(cr4);
  });

  it("has them off: INVPCID takes all types for 0, and for no other where one is named", () => {
    for (const type of [0, 1, 2, 3]) processor.invpcid(type, 0, 0n);
    for (const type of [0, 1]) refused(() => processor.invpcid(type, 1, 0n));
  });

  it("has them on: INVPCID takes 12 bits of identifier, canonical addresses and four types", () => {
    processor.writeCr4(cr4 | PCIDE);
    for (const type of [0, 1, 2, 3]) processor.invpcid(type, 0xfff, 0n);
    for (const type of [0, 1, 2, 3]) refused(() => processor.invpcid(type, 0x1000, 0n));
    refused(() => processor.invpcid(0, 1, NOT_CANONICAL));
    processor.invpcid(1, 1, NOT_CANONICAL);
    refused(() => processor.invpcid(4, 0, 0n));
  });
});
