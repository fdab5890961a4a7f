export {
  type AccessFigure,
  type FillFigure,
  type LargePageFigure,
  PAGING_PARTS,
  type PagingBench,
  type PagingPart,
  type StreamFigure,
  type WorkingSetFigure,
} from "./figures.ts";
export type { Goal } from "./goals.ts";
export type { HostileFigure } from "./hostile-packs.ts";
export { benchPaging, type PagingBenchOptions, type PagingBenchProgress } from "./paging-bench.ts";
export { benchRules, MOST_FOR_A_HOSTILE_PACK, MOST_FOR_ALL, type RulesBench } from "./rules-bench.ts";
export { benchStorage, type PolicyFigure, type StorageBench, type StorageBenchOptions } from "./storage-bench.ts";
export type { StorageBounds } from "./storage-bounds.ts";
export { storagePlot } from "./storage-plot.ts";
