import { PAGE_SIZE } from "../../binary/index.ts";
import { FLUSH_ALL_ADDRESS_SPACES, FLUSH_ALL_PROCESSORS, type Partition } from "../../hypervisor/index.ts";

/** Pages of one entry of a flush list. */
const PAGES_OF_AN_ENTRY = 4096;

/** An address space that translations belong to: what CR3 holds in it. `null`: they are the kernel's, in all of them. */
export type FlushedSpace = bigint | null;

/**
 * What a kernel does after it has taken a mapping away, moved it or narrowed its rights: every processor that may remember
 * the old one forgets it before the page frame gets another use. A kernel with one processor uses the processor's
 * instructions; with more it asks the hypervisor, which need not wake those that stand still.
 */
export class TranslationFlush {
  readonly #partition: Partition;

  constructor(partition: Partition) {
    this.#partition = partition;
  }

  /** Consecutive pages of 4 KiB; one inside a large page takes all of it along. */
  pages(space: FlushedSpace, address: bigint, count: number): void {
    const [only, another] = this.#partition.processors;
    if (only === undefined || another !== undefined) this.#onAll(space, address, count);
    else if (space === null) for (let page = 0; page < count; page++) only.invlpg(address + BigInt(page * PAGE_SIZE));
    else
      for (let page = 0; page < count; page++)
        only.invpcid(0, Number(space & 0xfffn), address + BigInt(page * PAGE_SIZE));
  }

  #onAll(space: FlushedSpace, address: bigint, count: number): void {
    const list: bigint[] = [];
    for (let page = 0; page < count; page += PAGES_OF_AN_ENTRY)
      list.push((address + BigInt(page * PAGE_SIZE)) | BigInt(Math.min(PAGES_OF_AN_ENTRY, count - page) - 1));
    const flags = FLUSH_ALL_PROCESSORS | (space === null ? FLUSH_ALL_ADDRESS_SPACES : 0);
    this.#partition.flushAddressList({ addressSpace: space ?? 0n, flags, processors: 0n }, list);
  }
}
