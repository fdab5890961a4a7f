export { CrashHistory, type Rebuilt, rebuildHistory } from "./history.ts";
export type { HistoryFilter } from "./index-store.ts";
export { type HistoryRow, historyRow, rowOf } from "./row.ts";
