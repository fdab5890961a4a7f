export { type AddressTrace, readAddressTrace } from "./address-trace.ts";
export { benchPaging, type PagingBench, type PagingFigure } from "./paging-bench.ts";
