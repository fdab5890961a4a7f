/**
 * What a thread's routine yields to the scheduler.
 * `compute`: it keeps its processor for so long. `sleep`: it gives the processor up and wants to go on after so long.
 * `await`: it gives the processor up until whoever is told wakes it. `block`: it waits for something that never comes.
 */
export type Wait =
  | { readonly kind: "compute"; readonly seconds: number }
  | { readonly kind: "sleep"; readonly seconds: number }
  | { readonly kind: "await"; readonly begin: (wake: () => void) => void }
  | { readonly kind: "block" };

/** A routine that runs on a thread and may wait. */
export type Routine<T = void> = Generator<Wait, T, undefined>;
