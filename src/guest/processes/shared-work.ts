import { PAGE_SIZE } from "../../binary/index.ts";
import type { VirtualProcessor } from "../../hypervisor/index.ts";
import type { PageExchange, PageTransfer } from "./page-exchange.ts";
import { partitionOfStamp, partitionTag } from "./page-stamp.ts";
import type { StampedPages, WrongStamp } from "./stamped-pages.ts";

/** Steps that a transfer takes: it stands half-way most of the time, in the middle of a page. */
const STEPS = 3;

interface SharedPages {
  readonly partition: string;
  /** Partitions to exchange pages with; those that write to this one's pages are among them. */
  readonly peers: readonly string[];
  /** The first half is for others to read, the second for them to write. */
  readonly offered: { readonly pages: StampedPages; readonly frames: readonly number[] };
  readonly buffer: { readonly pages: StampedPages; readonly firstFrame: number };
}

/** Exchanges stamped pages with other partitions, one transfer at a time, and looks whose stamps it finds where. */
export class SharedWork {
  readonly #exchange: PageExchange;
  readonly #shared: SharedPages;
  readonly #half: number;
  /** Whose stamps may stand in pages that others write. */
  readonly #known: ReadonlySet<number>;
  #transfer: PageTransfer | null = null;
  #begun = 0;

  constructor(exchange: PageExchange, shared: SharedPages) {
    this.#exchange = exchange;
    this.#shared = shared;
    this.#half = shared.buffer.pages.pages;
    this.#known = new Set([shared.partition, ...shared.peers].map(partitionTag));
  }

  /** Goes on by one step. @returns a stamp that should not be where it is */
  step(processor: VirtualProcessor): WrongStamp | null {
    this.#exchange.offer(this.#shared.offered.frames);
    const wrong = this.#checkOffered(processor);
    if (wrong !== null) return wrong;
    const transfer = this.#transfer;
    if (transfer === null) {
      this.#begin(processor);
      return null;
    }
    const state = transfer.move(Math.ceil((this.#half * PAGE_SIZE) / STEPS));
    if (state === "moving") return null;
    this.#transfer = null;
    transfer.end();
    return state === "done" && transfer.direction === "read" ? this.#checkBuffer(processor, transfer.owner) : null;
  }

  /** Reads and writes by turns, from one partition after another. */
  #begin(processor: VirtualProcessor): void {
    const { peers, buffer } = this.#shared;
    const direction = this.#begun % 2 === 0 ? "read" : "write";
    const owner = peers[(this.#begun >> 1) % peers.length]!;
    // The buffer carries this partition's stamps: what is read has to replace them, what is written are they.
    for (let page = 0; page < this.#half; page++) buffer.pages.rewrite(processor, page);
    const first = direction === "read" ? 0 : this.#half;
    this.#transfer = this.#exchange.begin(owner, direction, {
      first,
      pages: this.#half,
      bufferFrame: buffer.firstFrame,
    });
    this.#begun++;
  }

  #checkOffered(processor: VirtualProcessor): WrongStamp | null {
    const { pages } = this.#shared.offered;
    for (let page = 0; page < pages.pages; page++) {
      const wrong = pages.check(processor, page, (found, expected) =>
        page < this.#half ? found === expected : this.#known.has(partitionOfStamp(found)),
      );
      if (wrong !== null) return wrong;
    }
    return null;
  }

  #checkBuffer(processor: VirtualProcessor, owner: string): WrongStamp | null {
    const tag = partitionTag(owner);
    for (let page = 0; page < this.#half; page++) {
      const wrong = this.#shared.buffer.pages.check(processor, page, (found) => partitionOfStamp(found) === tag);
      if (wrong !== null) return wrong;
    }
    return null;
  }
}
