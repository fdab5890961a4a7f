export { type DriverChoice, driver, driverFile } from "./behaviours/index.ts";
export type { CheckRequest, Procedure } from "./checks/armed-checks.ts";
export { readStopCode, type StopCode, type StopCodeState } from "./checks/stop-code-record.ts";
export type { DriverFile, DriverProgram } from "./drivers/driver.ts";
export { armForNextStart, Guest, type GuestOptions } from "./guest.ts";
export { MOST_SYSTEM_PTES } from "./memory/system-ptes.ts";
export type { UserProcess } from "./processes/user-process.ts";
export { duration, rate, size } from "./quantities.ts";
export { TICKS_PER_SECOND } from "./threads/virtual-clock.ts";
