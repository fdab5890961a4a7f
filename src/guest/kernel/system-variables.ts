import { layout, size64, u32 } from "../../binary/index.ts";
import { MACHINE, physicalMemoryRun, USER_SHARED_DATA_ADDRESS, userSharedData } from "../../dumpfile/index.ts";
import { CLOCK_INTERVAL_SECONDS, TICKS_PER_SECOND } from "../threads/virtual-clock.ts";
import type { Kernel } from "./kernel.ts";
import { BUILD_LAB, BUILD_NUMBER } from "./release.ts";

/** PHYSICAL_MEMORY_DESCRIPTOR of one run, what MmPhysicalMemoryBlock points at. */
const physicalMemoryDescriptor = layout("PHYSICAL_MEMORY_DESCRIPTOR64", 0x10, {
  numberOfRuns: u32(0x00),
  numberOfPages: size64(0x08),
});

const HIGHEST_USER_ADDRESS = 0x7fff_fffe_ffffn;
const USER_PROBE_ADDRESS = 0x7fff_ffff_0000n;
const SYSTEM_RANGE_START = 0xffff_8000_0000_0000n;
/** 24.8 fixed-point milliseconds a tick, as KUSER_SHARED_DATA has it: 15.625 ms. */
const TICK_COUNT_MULTIPLIER = 0x0fa0_0000;
const PRODUCT_SERVER = 3;

/** Fills the variables that do not change any more once the kernel stands. */
export function fillVariables(kernel: Kernel): void {
  const { memory, physical, systemPtes, nonPagedPool, pagedPool } = kernel;
  const { processor } = memory;
  const block = kernel.allocate(physicalMemoryDescriptor.size + physicalMemoryRun.size, "MmPb");
  memory.put(physicalMemoryDescriptor, block, { numberOfRuns: 1, numberOfPages: physical.pages });
  memory.put(physicalMemoryRun, block + BigInt(physicalMemoryDescriptor.size), {
    basePage: 0,
    pageCount: physical.pages,
  });
  const words: Readonly<Record<string, bigint>> = {
    MmPfnDatabase: kernel.layout.pfnDatabase,
    MmPhysicalMemoryBlock: block,
    MmAvailablePages: BigInt(kernel.frames.available),
    MmNumberOfPhysicalPages: BigInt(physical.pages),
    MmHighestPhysicalPage: BigInt(physical.pages - 1),
    MmSystemPtesStart: systemPtes.start,
    MmSystemPtesEnd: systemPtes.end,
    MmNonPagedPoolStart: nonPagedPool.start,
    MmNonPagedPoolEnd: nonPagedPool.end,
    MmPagedPoolStart: pagedPool.start,
    MmPagedPoolEnd: pagedPool.end,
    MmHighestUserAddress: HIGHEST_USER_ADDRESS,
    MmUserProbeAddress: USER_PROBE_ADDRESS,
    MmSystemRangeStart: SYSTEM_RANGE_START,
  };
  for (const [name, value] of Object.entries(words)) processor.writeU64(kernel.variable(name), value);
  processor.writeU32(kernel.variable("KeTimeIncrement"), CLOCK_INTERVAL_SECONDS * TICKS_PER_SECOND);
  processor.writeU32(kernel.variable("KeNumberProcessors"), kernel.processors.length);
  processor.write(kernel.variable("NtBuildLab"), new TextEncoder().encode(`${BUILD_LAB}\0`));
}

/** Fills what KUSER_SHARED_DATA says besides the times. */
export function fillSharedData(kernel: Kernel): void {
  const root = new Uint8Array(userSharedData.fields.ntSystemRoot.bytes);
  root.set(Buffer.from("C:\\Windows", "utf16le"));
  kernel.memory.put(userSharedData, USER_SHARED_DATA_ADDRESS, {
    tickCountMultiplier: TICK_COUNT_MULTIPLIER,
    imageNumberLow: MACHINE.x64,
    imageNumberHigh: MACHINE.x64,
    ntSystemRoot: root,
    ntBuildNumber: BUILD_NUMBER,
    ntProductType: PRODUCT_SERVER,
    productTypeIsValid: 1,
    ntMajorVersion: 10,
    numberOfPhysicalPages: kernel.physical.pages,
    qpcFrequency: BigInt(TICKS_PER_SECOND),
  });
}
