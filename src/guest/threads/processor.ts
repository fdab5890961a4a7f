import type { VirtualProcessor } from "../../hypervisor/index.ts";
import type { Thread } from "./thread.ts";

/** IRQLs of x64 that this kernel uses. */
export const PASSIVE_LEVEL = 0;
export const DISPATCH_LEVEL = 2;
export const HIGH_LEVEL = 15;

/** A processor as the kernel knows it: its block in memory, its IRQL, and which thread it runs. */
export interface Processor {
  readonly index: number;
  readonly virtual: VirtualProcessor;
  /** KPCR, and the KPRCB inside it. */
  readonly controlRegion: bigint;
  readonly controlBlock: bigint;
  /** CONTEXT that a bug check fills. */
  readonly context: bigint;
  /** End of the stack that the processor takes for a double fault and for a machine check. */
  readonly doubleFaultStack: bigint;
  readonly idle: Thread;
  current: Thread;
  irql: number;
}
