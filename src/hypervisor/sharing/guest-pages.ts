/** As much of a partition as sharing needs. */
export interface SharingPartition {
  readonly name: string;
  readonly memory: SharingMemory;
}

/** A partition's guest physical space by guest frame number, and the two changes that sharing makes to it. */
export interface SharingMemory {
  /** Guest frames of the partition's own memory, from 0. */
  readonly pages: number;
  /** The whole guest physical space, one entry a guest frame: see frame-map.ts. */
  readonly map: Readonly<Int32Array>;
  /** The host frame behind a guest frame; null for a hole, and for what is no guest frame. */
  hostFrame(page: number): number | null;
  /** Whether the host frame behind a guest frame is the partition's own: not one that `mapFrame` put there, and no hole. */
  ownsFrame(page: number): boolean;
  /** Puts a host frame, which stays its owner's, where there is a hole. */
  mapFrame(page: number, hostFrame: number, rights: number): void;
  /** Makes a hole again of what `mapFrame` made; the host frame is not given back. */
  unmapFrame(page: number): void;
}
