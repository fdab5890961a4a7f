export {
  type AuditReport,
  auditState,
  CORRUPTION_KINDS,
  type Corruption,
  type CorruptionKind,
  type Unchecked,
} from "./audit/index.ts";
export type { CrashRegion } from "./crash-region.ts";
export { CRASH_MESSAGE, CRASH_NO_DUMP, CRASH_NOTIFY, type CrashNotification } from "./crash-registers.ts";
export { GeneralProtectionFault, PageFault } from "./faults.ts";
export { type GuestFrames, MAP_ALL, MAP_ENTRIES, MAP_EXECUTE, MAP_READ, MAP_WRITE, mapEntry } from "./frame-map.ts";
export type { GuestPhysicalMemory } from "./guest-memory.ts";
export { Hypervisor } from "./hypervisor.ts";
export { FAULT_KINDS, type FaultKind, type FaultOrder, type InjectedFault } from "./injection/index.ts";
export type { Partition, PartitionOptions, PartitionRight, PartitionRunState } from "./partition.ts";
export type { RegisterFile, RegisterName } from "./register-file.ts";
export {
  type DmaDescriptor,
  PageSharing,
  type SharingAnswer,
  type SharingOrder,
  type SharingReport,
  type SharingRequest,
} from "./sharing/index.ts";
export {
  type BugCheck,
  type HypervisorState,
  type PartitionState,
  readState,
  regionBytes,
  writeState,
} from "./state/index.ts";
export { createEngine, type EngineOptions } from "./translation/create-engine.ts";
export { type EngineKind, REFUSED_BY_GUEST_MAP, type Refusal, type TranslationEngine } from "./translation/engine.ts";
export {
  FLUSH_ALL_ADDRESS_SPACES,
  FLUSH_ALL_PROCESSORS,
  FLUSH_NON_GLOBAL_ONLY,
  type FlushListResult,
  type FlushStatus,
  type FlushTarget,
} from "./translation/flush-target.ts";
export type { VirtualProcessor } from "./virtual-processor.ts";
