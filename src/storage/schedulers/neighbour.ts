import type { Place, PositionedDevice } from "../device.ts";
import { type BlockRequest, REQUEST_CLASSES, type RequestClass } from "../request.ts";

const RANKS = Object.fromEntries(REQUEST_CLASSES.map((name, rank) => [name, rank])) as Record<RequestClass, number>;

/** The place of a class among all: 0 is the most urgent. */
export const rankOf = (requestClass: RequestClass): number => RANKS[requestClass];

/**
 * A request that waits, and the transfer that it leads, where it does: what follows it on the medium is done in the same go. One object
 * for both, since most lead one of their own.
 */
export class Neighbour implements Place {
  readonly request: BlockRequest;
  readonly sector: number;
  /** Behind its last sector. */
  readonly end: number;
  cylinder = 0;
  head = 0;
  angle = 0;
  /** Of its class, which may rise. */
  rank: number;
  /** The requests before and after it in order of sectors. */
  before: Neighbour | null = null;
  after: Neighbour | null = null;

  /** The last request of the transfer that it leads; null: it leads none, and what follows here is not valid. */
  last: Neighbour | null = null;
  /** Behind the last sector of the transfer. */
  transferEnd = 0;
  /** When the first of the transfer's requests arrived. */
  oldest: number;
  /** Of the most urgent of them. */
  urgent = 0;
  /** In the tree of transfers. */
  above: Neighbour | null = null;
  left: Neighbour | null = null;
  right: Neighbour | null = null;

  constructor(request: BlockRequest, device: PositionedDevice) {
    this.request = request;
    this.sector = request.sector;
    this.end = request.sector + request.sectors;
    this.rank = rankOf(request.class);
    this.oldest = request.arrival;
    device.locate(request.sector, this);
  }
}
