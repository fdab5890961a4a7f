/** What a pool found when it looked at its headers and lists. Entries are addresses of headers. */
export type PoolFinding =
  /** A block's size does not lead to a header that knows it. */
  | { readonly kind: "size"; readonly entry: bigint; readonly next: bigint }
  /** A header and that of the block in front contradict each other. */
  | { readonly kind: "neighbours"; readonly before: bigint; readonly entry: bigint }
  /** A block in the list of free ones of a size is not free, or not of that size. */
  | { readonly kind: "bad entry"; readonly entry: bigint }
  /** The neighbours of a block in its free list point elsewhere. */
  | { readonly kind: "list"; readonly entry: bigint; readonly flink: bigint; readonly blink: bigint }
  /** A free block's link points to where no free block can be. */
  | { readonly kind: "wild link"; readonly address: bigint }
  /** A block is freed that is free. `header`: its first eight bytes. */
  | { readonly kind: "freed twice"; readonly entry: bigint; readonly header: bigint }
  /** Who frees a block says another tag than who asked for it. */
  | { readonly kind: "wrong tag"; readonly address: bigint; readonly allocated: number; readonly freed: number };

/** Raised by a pool whose headers or lists were overwritten, or that is asked for what cannot be: the guest stops with it. */
export class PoolDamage extends Error {
  override readonly name = "PoolDamage";
  readonly found: PoolFinding;

  constructor(found: PoolFinding) {
    super(`pool damage: ${found.kind}`);
    this.found = found;
  }
}
