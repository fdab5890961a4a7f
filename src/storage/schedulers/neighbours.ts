import { type BlockRequest, REQUEST_CLASSES, type RequestClass } from "../request.ts";
import { type Neighbour, rankOf } from "./neighbour.ts";
import { TransferTree } from "./transfer-tree.ts";

/**
 * Requests of one direction that wait, as the transfers that serve them: each takes what follows on the medium while gaps are small and
 * it does not get too long. They are kept up as requests come and go, so that a choice looks at transfers alone.
 */
export class Neighbours {
  /** A tree for each class, by rank: a transfer has the class of its most urgent request. */
  readonly trees: readonly TransferTree[] = REQUEST_CLASSES.map(() => new TransferTree());
  /** Sectors between two requests of a transfer, at most. */
  readonly #gap: number;
  /** Sectors of a transfer of more than one request, at most. */
  #longest: number;
  #first: Neighbour | null = null;
  size = 0;

  constructor(gap: number, longest: number) {
    this.#gap = gap;
    this.#longest = longest;
  }

  add(item: Neighbour): void {
    this.size++;
    const leader = this.#leaderBefore(item.sector);
    let before = leader === null ? null : leader.last;
    while (before !== null && before.sector > item.sector) before = before.before;
    const after = before === null ? this.#first : before.after;
    this.#join(before, item);
    this.#join(item, after);
    const isApart = leader === null || item.sector > leader.transferEnd + this.#gap;
    this.#regroup(isApart ? item : leader);
  }

  /** Takes out a transfer by its first request, and says what it is of. */
  take(leader: Neighbour): BlockRequest {
    const { request, transferEnd } = leader;
    const last = leader.last!;
    this.#drop(leader);
    this.#join(leader.before, last.after);
    this.size--;
    // What has left must not hold on to what waits, or it would not be collected while that does.
    leader.before = null;
    last.after = null;
    if (leader === last) return request;
    const parts = [request];
    for (let item = leader.after; item !== null; item = item.after) parts.push(item.request);
    this.size -= parts.length - 1;
    return { ...request, sectors: transferEnd - request.sector, parts };
  }

  /** Gives a request a more urgent class. One that waits no more is left alone. */
  raise(request: BlockRequest, requestClass: RequestClass): void {
    let item = this.#leaderBefore(request.sector)?.last ?? null;
    while (item !== null && item.request !== request) item = item.before;
    if (item === null || item.rank <= rankOf(requestClass)) return;
    item.rank = rankOf(requestClass);
    while (item.last === null) item = item.before!;
    this.#regroup(item);
  }

  /** The most sectors that a transfer of more than one request may have from now on. */
  limit(longest: number): void {
    if (longest === this.#longest) return;
    this.#longest = longest;
    for (let item = this.#first; item !== null; item = item.after) if (item.last !== null) this.#drop(item);
    if (this.#first !== null) this.#regroup(this.#first);
  }

  /** The last request that leads a transfer and begins at a sector or before it. */
  #leaderBefore(sector: number): Neighbour | null {
    let leader: Neighbour | null = null;
    for (const tree of this.trees) {
      if (tree.top === null) continue;
      const before = tree.before(sector);
      if (before !== null && (leader === null || before.sector > leader.sector)) leader = before;
    }
    if (leader === null) return null;
    // Of several that begin at the same sector.
    for (let next = leader.last!.after; next !== null && next.sector <= sector; next = next.last!.after) leader = next;
    return leader;
  }

  /** Makes transfers of a request and those after it, up to one that begins where it did. */
  #regroup(first: Neighbour): void {
    let next: Neighbour | null = first;
    do next = this.#group(next);
    while (next !== null && next.last === null);
  }

  /** Has a request lead as many as one transfer can serve; says which one follows on them. */
  #group(leader: Neighbour): Neighbour | null {
    if (leader.last !== null) this.#drop(leader);
    let { end, rank } = leader;
    let oldest = leader.request.arrival;
    let last = leader;
    let item = leader.after;
    while (item !== null && item.sector <= end + this.#gap && item.end - leader.sector <= this.#longest) {
      if (item.last !== null) this.#drop(item);
      if (item.end > end) end = item.end;
      if (item.rank < rank) rank = item.rank;
      if (item.request.arrival < oldest) oldest = item.request.arrival;
      last = item;
      item = item.after;
    }
    leader.last = last;
    leader.transferEnd = end;
    leader.urgent = rank;
    leader.oldest = oldest;
    this.trees[rank]!.add(leader);
    return item;
  }

  #drop(leader: Neighbour): void {
    this.trees[leader.urgent]!.remove(leader);
    leader.last = null;
  }

  #join(before: Neighbour | null, after: Neighbour | null): void {
    if (before === null) this.#first = after;
    else before.after = after;
    if (after !== null) after.before = before;
  }
}
