import { HOLE } from "../frame-map.ts";
import { LARGE_PAGE_FRAMES, promotionOf } from "./promotion.ts";

const UNKNOWN = 0;
const LARGE = 1;
const SMALL = 2;

/** Guest frames by how the host can map them: `large * 512 + small` are all that are not holes. */
export interface PageSizes {
  readonly large: number;
  readonly small: number;
}

/**
 * Which 2 MiB regions of a partition's guest physical space can be large pages of the host. Each is looked at when it is asked
 * for and remembered until its part of the map changes: nothing is ever scanned to put large pages together again.
 */
export class LargePages {
  readonly #map: Readonly<Int32Array>;
  readonly #verdicts: Uint8Array;

  /** @param map the partition's, by guest frame: entries of frame-map.ts */
  constructor(map: Readonly<Int32Array>) {
    this.#map = map;
    this.#verdicts = new Uint8Array(Math.ceil(map.length / LARGE_PAGE_FRAMES));
  }

  /**
   * The map's entry of the first of 512 guest frames that can be one large page; 0 when they cannot. That the guest maps them
   * large is known already.
   * @param firstPage a multiple of 512
   */
  backing(firstPage: number): number {
    const region = firstPage >>> 9;
    let verdict = this.#verdicts[region]!;
    if (verdict === UNKNOWN)
      this.#verdicts[region] = verdict = promotionOf(21, this.#map, firstPage) === "large" ? LARGE : SMALL;
    return verdict === LARGE ? this.#map[firstPage]! : HOLE;
  }

  /** The map has changed for these pages: what was said of their regions no longer holds. */
  mapChanged(firstPage: number, pageCount: number): void {
    this.#verdicts.fill(UNKNOWN, firstPage >>> 9, Math.floor((firstPage + pageCount - 1) / LARGE_PAGE_FRAMES) + 1);
  }

  sizes(): PageSizes {
    let [large, small] = [0, 0];
    for (let firstPage = 0; firstPage < this.#map.length; firstPage += LARGE_PAGE_FRAMES)
      if (this.backing(firstPage) !== HOLE) large++;
      else small += this.#mappedFrom(firstPage);
    return { large, small };
  }

  #mappedFrom(firstPage: number): number {
    const end = Math.min(firstPage + LARGE_PAGE_FRAMES, this.#map.length);
    let mapped = 0;
    for (let page = firstPage; page < end; page++) if (this.#map[page] !== HOLE) mapped++;
    return mapped;
  }
}
