export {
  FLUSH_ALL_ADDRESS_SPACES,
  FLUSH_ALL_PROCESSORS,
  FLUSH_NON_GLOBAL_ONLY,
  type FlushListResult,
  type FlushStatus,
  type FlushTarget,
  isAddressSpace,
} from "../flush-target.ts";
export { ShadowEngine, type ShadowEngineOptions } from "./engine.ts";
export { FlushCalls } from "./flush-calls.ts";
export { type LargeBacking, type ShadowOptions, ShadowPageTables } from "./page-tables.ts";
