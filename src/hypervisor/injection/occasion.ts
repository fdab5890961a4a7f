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

// biome-ignore lint/suspicious/noExplicitAny: a method of any parameters; its own type is kept by the caller
type Method = (...parameters: any[]) => unknown;

/**
 * Stands in for one method of one object, as its own property, until it is disarmed. Nothing of it is there before or after, so
 * a hypervisor without a fault does not even ask.
 * @param strike called in place of the method, with the method itself
 */
export function standIn<Name extends string, T extends Record<Name, Method>>(
  target: T,
  name: Name,
  strike: (original: T[Name], ...parameters: Parameters<T[Name]>) => ReturnType<T[Name]>,
): Armed {
  const original = target[name].bind(target) as T[Name];
  const own = target as Record<Name, unknown>;
  own[name] = (...parameters: Parameters<T[Name]>) => strike(original, ...parameters);
  return { disarm: () => delete own[name] };
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
