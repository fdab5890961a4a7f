export { CRASH_MESSAGE, CRASH_NO_DUMP, CRASH_NOTIFY, type CrashNotification } from "./crash-registers.ts";
export { GeneralProtectionFault, PageFault } from "./faults.ts";
export type { GuestPhysicalMemory } from "./guest-memory.ts";
export { Hypervisor } from "./hypervisor.ts";
export type { Partition, PartitionOptions, PartitionRight, PartitionRunState } from "./partition.ts";
export type { RegisterFile, RegisterName } from "./register-file.ts";
export type { VirtualProcessor } from "./virtual-processor.ts";
