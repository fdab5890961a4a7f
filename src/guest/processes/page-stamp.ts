import { crc32 } from "node:zlib";

/**
 * What a working process leaves in its pages: words that say whose they are. Bits 31 to 20 are the partition's, bits 19 to 12
 * the process's, the others count its writes.
 */
const PARTITION_SHIFT = 20;
const PROCESS_SHIFT = 12;
const WRITES = 0xfff;

export const MOST_PROCESSES = 2 ** (PARTITION_SHIFT - PROCESS_SHIFT);

/** The partition's part of a stamp, by which a page of one is told from a page of another. */
export const partitionOfStamp = (stamp: number): number => stamp >>> PARTITION_SHIFT;
export const partitionTag = (name: string): number => crc32(name) >>> PARTITION_SHIFT;

/** Makes the stamps of one process, each unlike those before it. */
export class StampSource {
  readonly #owner: number;
  #writes = 0;

  /** @param process a number below MOST_PROCESSES that no other process of the partition has */
  constructor(partition: string, process: number) {
    this.#owner = (partitionTag(partition) << PARTITION_SHIFT) | (process << PROCESS_SHIFT);
  }

  /** The next stamp, with the sign of its bit 31. */
  next(): number {
    this.#writes = (this.#writes + 1) & WRITES;
    return this.#owner | this.#writes;
  }
}
