export { benchPaging, type PagingBench, type PagingFigure } from "./paging-bench.ts";
