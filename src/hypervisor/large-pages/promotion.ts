import { HOLE } from "../frame-map.ts";

/** Small pages in a large one: 4 KiB in 2 MiB (systems.md 4.2, claim 4). */
export const LARGE_PAGE_FRAMES = 512;

/** Bits of an address within the page that the guest maps. */
export type GuestLeafShift = 12 | 21 | 30;

/**
 * Whether one large mapping may stand for 512 small ones, or the first reason why not.
 * `guest-leaf`: the guest itself maps small pages there. `hole`: some of the frames are not there. `alignment`: the host frames do
 * not begin at a 2 MiB border. `attributes`: not all have the same rights and cache type. `elsewhere`: not all are one after another.
 */
export type Promotion = "large" | "guest-leaf" | "hole" | "alignment" | "attributes" | "elsewhere";

const ATTRIBUTES = 0xfff;
const BORDER = LARGE_PAGE_FRAMES - 1;

/**
 * The promotion rule (systems.md 4.2, claim 2): large exactly when the guest maps a large page, its frames are one aligned run in
 * the host, and all have the same attributes.
 * @param map entries of frame-map.ts
 * @param firstPage the first of the 512 guest frames, a multiple of 512
 * @param from of the pieces to look at, 1 to 512; all others are known to go with the first
 * @param to the end of them
 */
export function promotionOf(
  guestLeaf: GuestLeafShift,
  map: Readonly<Int32Array>,
  firstPage: number,
  from = 1,
  to = LARGE_PAGE_FRAMES,
): Promotion {
  if (guestLeaf === 12) return "guest-leaf";
  const first = map[firstPage] ?? HOLE;
  if (first === HOLE || firstPage + LARGE_PAGE_FRAMES > map.length) return "hole";
  if (((first >>> 12) & BORDER) !== 0) return "alignment";
  for (let piece = from; piece < to; piece++) {
    const difference = map[firstPage + piece]! ^ (first | (piece << 12));
    if (difference === 0) continue;
    if (map[firstPage + piece] === HOLE) return "hole";
    return (difference & ATTRIBUTES) !== 0 ? "attributes" : "elsewhere";
  }
  return "large";
}
