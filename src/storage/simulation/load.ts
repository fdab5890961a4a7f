import type { BlockRequest, Completion } from "../request.ts";

/** Something that asks for blocks: it says when its next request comes, and is told when one is done. */
export interface Load {
  /** When its next request arrives. Infinity: not before one of its own is done, or never. */
  readonly next: number;
  /** The request that arrives at `next`. */
  take(): BlockRequest;
  completed(completion: Completion): void;
}

/** Gives requests of all loads of a run numbers in order of arrival. */
export class Numbers {
  #last = 0;

  next(): number {
    return ++this.#last;
  }
}
