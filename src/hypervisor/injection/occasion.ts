/** Where a fault has struck; addresses are `0x…`, null where there is none. */
export interface Strike {
  readonly linearAddress: string | null;
  /** Of the page; of a link, of the guest's table entry. */
  readonly guestPhysicalAddress: string | null;
}

/** Called when a fault has struck. */
export type Struck = (strike: Partial<Strike>) => void;

/** A fault that waits: where it will strike, until it has. */
export interface Armed {
  readonly disarm: () => void;
}

/** Several that wait for one occasion. */
export function together(armed: readonly Armed[]): Armed {
  return {
    disarm: () => {
      for (const each of armed) each.disarm();
    },
  };
}

/** A small generator of whole numbers below a bound; the same seed gives the same. */
export function numbersOf(seed: number): (below: number) => number {
  let state = (seed ^ 0x9e37_79b9) | 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}
