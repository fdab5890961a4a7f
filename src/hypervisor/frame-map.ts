/**
 * An entry of a partition's map from guest to host frames: the host frame's byte address, and in its low bits what the
 * partition may do there. It fits 32 bits because the host has at most 4 GiB; as a signed number, like all words here.
 * An entry of 0 is a hole.
 */

export const MAP_READ = 1 << 0;
export const MAP_WRITE = 1 << 1;
export const MAP_EXECUTE = 1 << 2;
export const MAP_ALL = MAP_READ | MAP_WRITE | MAP_EXECUTE;

/** Guest frame without a host frame. */
export const HOLE = 0;

export const MAP_FRAME = ~0xfff;

/** A map has an entry for every guest physical address of 32 bits, so that a walk needs no check of its own. */
export const MAP_ENTRIES = 2 ** 20;
export const MAP_BYTES = 2 ** 32;

/** Physical address bits of the machine, as its guests see them. */
export const MAX_PHYSICAL_ADDRESS_BITS = 40;

/** What a walk needs of a partition: the host's memory as words, and the map by guest frame number. */
export interface GuestFrames {
  readonly words: Int32Array;
  readonly map: Int32Array;
}

export function mapEntry(frame: number, rights: number): number {
  return (frame << 12) | rights;
}
