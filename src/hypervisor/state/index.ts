export { type BugCheck, captureState, DMA_STATES, ENGINES, RUN_STATES, type StateSource } from "./capture.ts";
export { readState, regionBytes } from "./read-state.ts";
export { type HypervisorState, MACHINE_ROWS, PARTITION_ROWS, PARTITION_WORDS, type PartitionState } from "./tables.ts";
export { wordAt, wordsOf } from "./words.ts";
export { transport, writeState } from "./write-state.ts";
