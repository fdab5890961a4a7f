export { type DriverChoice, driver, driverFile } from "./behaviours/index.ts";
export type { CheckRequest, Procedure } from "./checks/armed-checks.ts";
export type { DiagnosisState, StagedCheck, StopCode } from "./checks/diagnosis-state.ts";
export { readDiagnosis, type StoredDiagnosis, writeDiagnosis } from "./checks/diagnosis-store.ts";
export { type SelfDiagnosis, type SelfDiagnosisCheck, selfDiagnosis } from "./checks/self-diagnosis.ts";
export type { DriverFile, DriverProgram } from "./drivers/driver.ts";
export type { FaultHarm } from "./faults/harm.ts";
export { memoryFault } from "./faults/memory-fault.ts";
export { armForNextStart, Guest, type GuestOptions } from "./guest.ts";
export { MOST_SYSTEM_PTES } from "./memory/system-ptes.ts";
export { deviceRequests } from "./processes/client-process.ts";
export { fileReads } from "./processes/file-reads.ts";
export type { ExchangeDirection, PageExchange, PageTransfer } from "./processes/page-exchange.ts";
export { MOST_PROCESSES } from "./processes/page-stamp.ts";
export type { UserProcess } from "./processes/user-process.ts";
export { processWork, workBytes } from "./processes/work.ts";
export { duration, rate, size } from "./quantities.ts";
export type { SelfDump } from "./storage/crash-dump-stack.ts";
export type { FileDevice, FilePriority } from "./storage/file-device.ts";
export {
  NT_STATUS,
  type PageFileDevice,
  type PolledTransfer,
  type ReadAhead,
  type Transferred,
} from "./storage/page-file-device.ts";
export { TICKS_PER_SECOND } from "./threads/virtual-clock.ts";
