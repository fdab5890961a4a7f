import type { Place, PositionedDevice } from "../device.ts";
import { type BlockRequest, REQUEST_CLASSES, type RequestClass } from "../request.ts";
import type { Scheduler } from "../scheduler.ts";
import { ClassSlots } from "./class-slots.ts";
import { CriticalRequests } from "./critical-requests.ts";
import { Neighbour } from "./neighbour.ts";
import { Neighbours } from "./neighbours.ts";
import { Queued } from "./queued.ts";
import { StreamGuard } from "./stream-guard.ts";

/**
 * Milliseconds by which a request may be farther away than one of class normal and still go first. Where so many wait that all are old,
 * what is critical still goes before them.
 */
const HEAD_STARTS: Readonly<Record<RequestClass, number>> = {
  critical: 1e6,
  high: 12,
  interactive: 6,
  normal: 0,
  background: -8,
  low: -16,
  idle: -32,
};

/** How much nearer a request becomes, in milliseconds, with each millisecond that it waits. */
const READ_AGEING = 0.08;
const WRITE_AGEING = 0.004;
/** Of more requests than these, all of which wait longer, reads age less: or age alone would decide, and the arm go back and forth. */
const FEW = 32;
/** Milliseconds by which a write must be nearer than a read: whoever reads is waiting, whoever writes seldom is. */
const WRITE_HANDICAP = 1.5;
/** What has waited for so many milliseconds goes before all that has not and is not critical: it is nearer by more than any way. */
const LONGEST_WAIT = 3500;
const OLD_HEAD_START = 3500;
/** The same of more than a few while a critical request is expected: it would wait, as on each far way, for what goes by age, here and there. */
const OLD_HEAD_START_OF_MANY = 20;
/** Requests that follow one another on the medium are one transfer, up to so many sectors (2 MiB). */
const LONGEST_TRANSFER = 4096;
/** The same while a critical request is expected, which waits for what is under way. */
const CRITICAL_TRANSFER = 128;
/** Milliseconds by which each is farther away with each by which an expected critical request could take too long because of it. */
const EXCESS_WEIGHT = 3;
/** The arm goes in legs over more than this share of the cylinders, each this much shorter than what it could not be. */
const LEAST_LEGS = 1 / 16;
const SHORTER_LEG = 0.8;
/** After a stream's request there are streams for so many milliseconds: they are what page faults wait for then, and there is no time for legs. */
const STREAMS_FOR = 1000;
/** Milliseconds of waiting for the platters that are worth not being committed. */
const LEAST_WAIT = 0.25;

/**
 * The scheduler that users get. Of all that waits, the nearest goes first, by arm and by rotation, where age and class make nearer; unless a
 * stream could then not be served in time (`StreamGuard`). Neighbours on the medium go together. Each class has its slots of
 * every round, so that the least of them is served too. Where a critical request is expected, nothing is done that it would have to wait for
 * too long (`CriticalRequests`).
 */
export class ContinuousMedia implements Scheduler {
  readonly name = "continuous media";
  wakeAt = Number.POSITIVE_INFINITY;
  readonly #device: PositionedDevice;
  readonly #guard: StreamGuard;
  readonly #slots: ClassSlots;
  readonly #reads: Neighbours;
  readonly #writes: Neighbours;
  /** For each number of cylinders, the milliseconds of the arm's way over so many or more. */
  readonly #ways: Float64Array;
  readonly #critical: CriticalRequests;
  /** Where the last request or leg began. */
  #lastSector = 0;
  readonly #legEnd: Place = { cylinder: 0, head: 0, angle: 0 };
  /** Of a millisecond that a read waits, as many wait now. */
  #readAgeing = READ_AGEING;
  #oldHeadStart = OLD_HEAD_START;
  #isCriticalExpected = false;
  /** There are streams until then. */
  #streamsUntil = Number.NEGATIVE_INFINITY;
  /** The nearest transfer that was found, and what it costs. */
  #best: Neighbour | null = null;
  #cost = 0;
  /** Branches that are still to be looked at, and the least way to each. */
  readonly #branches: Neighbour[] = [];
  readonly #branchWays: number[] = [];

  constructor(device: PositionedDevice, slots = new ClassSlots()) {
    this.#device = device;
    this.#guard = new StreamGuard(device);
    this.#slots = slots;
    // Sectors between two reads that pass in the time another command would take are read too, and thrown away.
    const gap = Math.floor(device.limits.overhead / device.sectorTimeAt({ cylinder: 0, head: 0, angle: 0 }));
    this.#reads = new Neighbours(gap, LONGEST_TRANSFER);
    this.#writes = new Neighbours(0, LONGEST_TRANSFER);
    this.#ways = leastWays(device);
    this.#critical = new CriticalRequests(device);
  }

  get size(): number {
    return this.#guard.size + this.#reads.size + this.#writes.size;
  }

  add(request: BlockRequest): void {
    if (request.deadline !== Number.POSITIVE_INFINITY) this.#guard.add(new Queued(request, this.#device));
    else this.#direction(request).add(new Neighbour(request, this.#device));
  }

  /** Gives a request that waits a more urgent class, when somebody more urgent begins to wait for it. */
  raise(request: BlockRequest, requestClass: RequestClass): void {
    if (request.deadline === Number.POSITIVE_INFINITY) this.#direction(request).raise(request, requestClass);
  }

  take(now: number): BlockRequest | null {
    const request = this.#choose(now);
    if (request === null) return null;
    this.wakeAt = Number.POSITIVE_INFINITY;
    this.#lastSector = request.sector;
    return request;
  }

  completed(): void {}

  #choose(now: number): BlockRequest | null {
    const at = this.#device.freeAt(now);
    this.#isCriticalExpected = this.#critical.areExpected(now);
    const longest = this.#isCriticalExpected ? CRITICAL_TRANSFER : LONGEST_TRANSFER;
    this.#reads.limit(longest);
    this.#writes.limit(longest);
    const waiting = this.#reads.size + this.#writes.size;
    this.#readAgeing = Math.max(WRITE_AGEING, READ_AGEING * Math.min(1, FEW / waiting));
    this.#oldHeadStart = this.#isCriticalExpected && waiting > FEW ? OLD_HEAD_START_OF_MANY : OLD_HEAD_START;
    const best = this.#nearest(at);
    if (this.#guard.size > 0) {
      const stream = this.#guard.nearest(at, this.#cost);
      const transfer = stream === null ? this.#transferTime(best!) : stream.transfer;
      const chosen = this.#guard.instead(stream ?? best!, at, transfer) ?? stream;
      if (chosen !== null) {
        this.#streamsUntil = now + STREAMS_FOR;
        return this.#guard.take(chosen);
      }
    }
    if (best === null) return null;
    const requestClass = REQUEST_CLASSES[best.urgent]!;
    if (requestClass === "critical") this.#noteCritical(best, now, at);
    else if (this.#isCriticalExpected && now >= this.#streamsUntil) {
      const leg = this.#leg(best);
      if (leg !== null) return leg;
      if (this.#canWait(best, now, at)) return null;
    }
    this.#slots.use(requestClass);
    return this.#direction(best.request).take(best);
  }

  #transferTime(leader: Neighbour): number {
    return this.#device.sectorTimeAt(leader) * (leader.transferEnd - leader.sector);
  }

  #direction({ write }: BlockRequest): Neighbours {
    return write ? this.#writes : this.#reads;
  }

  #noteCritical(best: Neighbour, now: number, at: number): void {
    const device = this.#device;
    const { arrival, write, class: firstClass } = best.request;
    const end = at + device.reachTime(device.heads, best, write, at) + this.#transferTime(best);
    // What was raised waited for as long as nobody was in a hurry, and what waits beside streams waits for those.
    const isTelling = firstClass === "critical" && now >= this.#streamsUntil;
    this.#critical.note(best, now, isTelling ? arrival : null, end);
  }

  /**
   * The first part of the way to a request, if an expected critical request could take too long because of the whole: as far as it
   * could not.
   */
  #leg(best: Neighbour): BlockRequest | null {
    const device = this.#device;
    const { cylinder } = device.heads;
    const least = LEAST_LEGS * device.cylinders;
    if (Math.abs(best.cylinder - cylinder) <= least || this.#critical.excess(best, this.#transferTime(best)) === 0)
      return null;
    const end = this.#legEnd;
    let way = best.sector - this.#lastSector;
    do {
      way *= SHORTER_LEG;
      device.locate(this.#lastSector + Math.trunc(way), end);
    } while (Math.abs(end.cylinder - cylinder) > least && this.#critical.excess(end, 0) > 0);
    return { ...best.request, sector: this.#lastSector + Math.trunc(way), sectors: 0, write: false, parts: [] };
  }

  /**
   * While critical requests are expected, the disk is not given what would only wait for the platters: it could not be called back. The
   * arm leaves when it has to, and once the time is there, something goes.
   */
  #canWait(best: Neighbour, now: number, at: number): boolean {
    if (now >= this.wakeAt) return false;
    const device = this.#device;
    const reach = device.reachTime(device.heads, best, best.request.write, at);
    const slack = reach - device.limits.overhead - device.seekTime(Math.abs(best.cylinder - device.heads.cylinder));
    if (slack <= LEAST_WAIT) return false;
    this.wakeAt = Math.min(this.wakeAt, now + slack - LEAST_WAIT / 2);
    return true;
  }

  #nearest(at: number): Neighbour | null {
    this.#best = null;
    this.#cost = Number.POSITIVE_INFINITY;
    for (let round = 0; round < 2; round++) {
      for (let rank = 0; rank < REQUEST_CLASSES.length; rank++) {
        const reads = this.#reads.trees[rank]!.top;
        const writes = this.#writes.trees[rank]!.top;
        if (reads === null && writes === null) continue;
        const requestClass = REQUEST_CLASSES[rank]!;
        if (!this.#slots.has(requestClass)) continue;
        this.#look(reads, false, HEAD_STARTS[requestClass], at);
        this.#look(writes, true, HEAD_STARTS[requestClass], at);
      }
      if (this.#best !== null) break;
      // Whoever waits has had its slots: what the others left is lent to it.
      this.#slots.refill();
    }
    return this.#best;
  }

  /**
   * Remembers the nearest of a tree, if it is nearer than what is remembered. What lies below a transfer is no older: on its side away from
   * the heads nothing can be nearer than where that transfer's own cylinder would be too far.
   */
  #look(top: Neighbour | null, write: boolean, headStart: number, at: number): void {
    const device = this.#device;
    const { heads } = device;
    const { cylinder } = heads;
    const ways = this.#ways;
    const branches = this.#branches;
    const branchWays = this.#branchWays;
    const readAgeing = this.#readAgeing;
    const oldHeadStart = this.#oldHeadStart;
    const mayExceed = this.#isCriticalExpected && headStart !== HEAD_STARTS.critical;
    let best = this.#best;
    let least = this.#cost;
    let count = 0;
    let node = top;
    let wayThere = 0;
    while (true) {
      while (node !== null) {
        const wait = at - node.oldest;
        const ageing = write ? WRITE_AGEING * wait - WRITE_HANDICAP : readAgeing * wait;
        const nearer = headStart + ageing + (wait > LONGEST_WAIT ? oldHeadStart : 0);
        if (wayThere - nearer >= least) break;
        const distance = node.cylinder - cylinder;
        const way = ways[distance < 0 ? -distance : distance]!;
        if (way - nearer < least) {
          let cost = device.reachTime(heads, node, write, at) - nearer;
          if (mayExceed && cost < least) cost += EXCESS_WEIGHT * this.#critical.excess(node, this.#transferTime(node));
          if (cost < least) {
            least = cost;
            best = node;
          }
          const far: Neighbour | null = distance < 0 ? node.left : node.right;
          if (far !== null) {
            branches[count] = far;
            branchWays[count++] = way;
          }
        }
        node = distance < 0 ? node.right : node.left;
      }
      if (count === 0) break;
      node = branches[--count]!;
      wayThere = branchWays[count]!;
    }
    this.#best = best;
    this.#cost = least;
  }
}

function leastWays(device: PositionedDevice): Float64Array {
  const ways = new Float64Array(device.cylinders);
  let least = Number.POSITIVE_INFINITY;
  for (let cylinders = device.cylinders - 1; cylinders >= 0; cylinders--) {
    least = Math.min(least, device.seekTime(cylinders));
    ways[cylinders] = least;
  }
  return ways;
}
