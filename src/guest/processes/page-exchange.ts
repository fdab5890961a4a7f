/** Which way the bytes go: from the other partition's pages to the own buffer, or the other way. */
export type ExchangeDirection = "read" | "write";

/** A transfer between pages of another partition and a buffer of one's own. */
export interface PageTransfer {
  readonly owner: string;
  readonly direction: ExchangeDirection;
  /** Lets the device move so many bytes. `over`: it moves nothing any more, whether it had moved all or not. */
  move(bytes: number): "moving" | "done" | "over";
  /** The requester is through with it; once. */
  end(): void;
}

/** What a partition's kernel can ask of the machine about pages that partitions share. */
export interface PageExchange {
  /**
   * Opens page frames of one's own to the devices of other partitions, which ask for them by their place in this list. Each
   * is closed again when its last transfer ends: who wants to go on sharing offers anew.
   */
  offer(frames: readonly number[]): void;
  /**
   * Begins a transfer of `pages` offered pages, from the place `first` in the owner's list on.
   * @param bufferFrame the first of as many consecutive page frames of one's own
   * @returns null when the machine refuses, or the owner offers nothing
   */
  begin(
    owner: string,
    direction: ExchangeDirection,
    order: { readonly first: number; readonly pages: number; readonly bufferFrame: number },
  ): PageTransfer | null;
}
