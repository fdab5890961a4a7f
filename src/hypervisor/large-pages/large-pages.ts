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
 * for and remembered until its part of the map changes: nothing is ever scanned to put large pages together again. Of a region
 * that was large, only what has changed since is looked at.
 */
export class LargePages {
  readonly #map: Readonly<Int32Array>;
  readonly #verdicts: Uint8Array;
  /** Pieces of a region that may not go with the first; from 0 where the first itself is in doubt. */
  readonly #doubtFrom: Uint16Array;
  readonly #doubtTo: Uint16Array;

  /** @param map the partition's, by guest frame: entries of frame-map.ts */
  constructor(map: Readonly<Int32Array>) {
    this.#map = map;
    const regions = Math.ceil(map.length / LARGE_PAGE_FRAMES);
    this.#verdicts = new Uint8Array(regions);
    this.#doubtFrom = new Uint16Array(regions);
    this.#doubtTo = new Uint16Array(regions).fill(LARGE_PAGE_FRAMES);
  }

  /**
   * The map's entry of the first of 512 guest frames that can be one large page; 0 when they cannot. That the guest maps them
   * large is known already.
   * @param firstPage a multiple of 512
   */
  backing(firstPage: number): number {
    const region = firstPage >>> 9;
    if (this.#verdicts[region] === UNKNOWN) this.#look(region);
    return this.#verdicts[region] === LARGE ? this.#map[firstPage]! : HOLE;
  }

  /** The map has changed for these pages: what was said of their regions no longer holds. */
  mapChanged(firstPage: number, pageCount: number): void {
    const end = Math.min(firstPage + pageCount, this.#map.length);
    for (let region = firstPage >>> 9; region * LARGE_PAGE_FRAMES < end; region++) {
      const first = region * LARGE_PAGE_FRAMES;
      const from = Math.max(firstPage - first, 0);
      const to = from === 0 ? LARGE_PAGE_FRAMES : Math.min(end - first, LARGE_PAGE_FRAMES);
      this.#verdicts[region] = UNKNOWN;
      this.#doubtFrom[region] = Math.min(this.#doubtFrom[region]!, from);
      this.#doubtTo[region] = Math.max(this.#doubtTo[region]!, to);
    }
  }

  sizes(): PageSizes {
    let [large, small] = [0, 0];
    for (let firstPage = 0; firstPage < this.#map.length; firstPage += LARGE_PAGE_FRAMES)
      if (this.backing(firstPage) !== HOLE) large++;
      else small += this.#mappedFrom(firstPage);
    return { large, small };
  }

  #look(region: number): void {
    const from = Math.max(this.#doubtFrom[region]!, 1);
    const isLarge = promotionOf(21, this.#map, region * LARGE_PAGE_FRAMES, from, this.#doubtTo[region]!) === "large";
    this.#verdicts[region] = isLarge ? LARGE : SMALL;
    if (!isLarge) return;
    this.#doubtFrom[region] = LARGE_PAGE_FRAMES;
    this.#doubtTo[region] = 0;
  }

  #mappedFrom(firstPage: number): number {
    const end = Math.min(firstPage + LARGE_PAGE_FRAMES, this.#map.length);
    let mapped = 0;
    for (let page = firstPage; page < end; page++) if (this.#map[page] !== HOLE) mapped++;
    return mapped;
  }
}
