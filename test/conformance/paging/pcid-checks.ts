import {
  type EngineKind,
  GeneralProtectionFault,
  Hypervisor,
  type VirtualProcessor,
} from "../../../src/hypervisor/index.ts";
import { CR0_PE, CR0_PG, CR0_WP, CR4_LA57, CR4_PAE, EFER_LME, EFER_NXE } from "../../../src/paging/index.ts";
import type { Scenario } from "./scenario.ts";
import type { Levels, Subject } from "./subject.ts";

/** The 4 checks of kvm-unit-tests' pcid.c (paging.md A3 and A2, rules 13 and 14): what #GP is raised for, and what is taken. */

const PCIDE = 1n << 17n;
const PAGING = 1n << 31n;
const KEEP = 1n << 63n;
const NOT_CANONICAL = 1n << 60n;

type Check = (processor: VirtualProcessor, expect: (what: string, isRight: boolean) => void) => void;

const CHECKS: Readonly<Record<string, Check>> = {
  "off: CR3 has no bit 63": (processor, expect) => {
    expect(
      "bit 63 of CR3",
      isRefused(() => processor.moveToCr3(0x1000n | KEEP)),
    );
    processor.moveToCr3(0x1000n);
    expect("CR3 without it", processor.registers.cr3 === 0x1000n);
  },
  "on: only while CR3 says 0, only with paging, with bit 63 of CR3": (processor, expect) => {
    const { cr4 } = processor.registers;
    processor.moveToCr3(0x1001n);
    expect(
      "PCIDE while CR3 has an identifier",
      isRefused(() => processor.writeCr4(cr4 | PCIDE)),
    );
    processor.moveToCr3(0x1000n);
    processor.writeCr4(cr4 | PCIDE);
    expect(
      "paging off",
      isRefused(() => processor.writeCr0(processor.registers.cr0 & ~PAGING)),
    );
    processor.moveToCr3(0x1001n | KEEP);
    expect("CR3 with an identifier and bit 63", processor.registers.cr3 === 0x1001n);
    processor.writeCr4(cr4);
    expect("PCIDE off again", processor.registers.cr4 === cr4);
  },
  "off: INVPCID takes all types for 0, and for no other where one is named": (processor, expect) => {
    for (const type of [0, 1, 2, 3]) expect(`type ${type}`, !isRefused(() => processor.invpcid(type, 0, 0n)));
    for (const type of [0, 1])
      expect(
        `type ${type} of 1`,
        isRefused(() => processor.invpcid(type, 1, 0n)),
      );
  },
  "on: INVPCID takes 12 bits of identifier, canonical addresses and four types": (processor, expect) => {
    processor.writeCr4(processor.registers.cr4 | PCIDE);
    for (const type of [0, 1, 2, 3]) {
      expect(`type ${type} of 0xfff`, !isRefused(() => processor.invpcid(type, 0xfff, 0n)));
      expect(
        `type ${type} of 0x1000`,
        isRefused(() => processor.invpcid(type, 0x1000, 0n)),
      );
    }
    expect(
      "an address that is not canonical",
      isRefused(() => processor.invpcid(0, 1, NOT_CANONICAL)),
    );
    expect("the same where no address is named", !isRefused(() => processor.invpcid(1, 1, NOT_CANONICAL)));
    expect(
      "type 4",
      isRefused(() => processor.invpcid(4, 0, 0n)),
    );
  },
};

/** A subject by this name runs on an engine that processors can have. */
function engineOf(subject: Subject): EngineKind | null {
  const { name } = subject;
  return name === "walk" || name === "tlb" || name === "shadow" ? name : null;
}

/** Only a whole processor has these instructions. */
export function hasProcessor(subject: Subject): boolean {
  return engineOf(subject) !== null;
}

export const PCID_CHECKS: readonly Scenario[] = Object.entries(CHECKS).map(([name, check]) => ({
  name: `PCID ${name}`,
  run(subject, levels) {
    const engine = engineOf(subject);
    if (engine === null) throw new Error(`no processor has the engine ${subject.name}`);
    const problems: string[] = [];
    check(processorOf(engine, levels), (what, isRight) => {
      if (!isRight) problems.push(`${what} is not as it must be`);
    });
    return problems;
  },
}));

function processorOf(engine: EngineKind, levels: Levels): VirtualProcessor {
  const hypervisor = new Hypervisor({ memoryBytes: 2 ** 21 });
  const processor = hypervisor.createPartition({ name: "pcid", memoryBytes: 2 ** 20, processors: 1, engine })
    .processors[0]!;
  const { registers } = processor;
  registers.cr3 = 0x1000n;
  registers.cr4 = BigInt(CR4_PAE | (levels === 5 ? CR4_LA57 : 0));
  registers.efer = BigInt(EFER_LME | EFER_NXE);
  registers.cr0 = BigInt.asUintN(32, BigInt(CR0_PE | CR0_WP | CR0_PG));
  return processor;
}

function isRefused(action: () => void): boolean {
  try {
    action();
    return false;
  } catch (error) {
    if (error instanceof GeneralProtectionFault) return true;
    throw error;
  }
}
