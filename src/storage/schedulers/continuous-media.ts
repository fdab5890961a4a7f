import type { PositionedDevice } from "../device.ts";
import { type BlockRequest, REQUEST_CLASSES, type RequestClass } from "../request.ts";
import type { Scheduler } from "../scheduler.ts";
import { ClassSlots } from "./class-slots.ts";
import { Queued, SectorOrder } from "./queued.ts";
import { StreamGuard } from "./stream-guard.ts";

/** Milliseconds by which a request may be farther away than one of class normal and still go first. */
const HEAD_STARTS: Readonly<Record<RequestClass, number>> = {
  critical: 1000,
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
/** Milliseconds by which a write must be nearer than a read: whoever reads is waiting, whoever writes seldom is. */
const WRITE_HANDICAP = 1.5;
/** What has waited for so many milliseconds goes before all that has not. */
const LONGEST_WAIT = 3500;
/** Requests that follow one another on the medium are one transfer, up to so many sectors (2 MiB). */
const LONGEST_TRANSFER = 4096;
/** The same for so many milliseconds after a critical request: the next comes soon, and waits for what is under way. */
const CRITICAL_TRANSFER = 128;
const CRITICAL_TIME = 2000;
/** Milliseconds of waiting for the platters that are worth not being committed. */
const LEAST_WAIT = 0.25;

/**
 * The scheduler that users get. Of all that waits, the nearest goes first, by arm and by rotation, where age and class make nearer; unless a
 * stream could then not be served in time (`StreamGuard`). Neighbours on the medium go together. Each class has its slots of
 * every round, so that the least of them is served too.
 */
export class ContinuousMedia implements Scheduler {
  readonly name = "continuous media";
  wakeAt = Number.POSITIVE_INFINITY;
  readonly #device: PositionedDevice;
  readonly #guard: StreamGuard;
  readonly #slots: ClassSlots;
  readonly #reads = new SectorOrder();
  readonly #writes = new SectorOrder();
  /** Sectors between two reads that pass in the time another command would take: they are read too, and thrown away. */
  readonly #gap: number;
  /** Until when critical requests are reckoned with. */
  #criticalUntil = 0;
  #longest = LONGEST_TRANSFER;
  readonly #best = new Group();

  constructor(device: PositionedDevice, slots = new ClassSlots()) {
    this.#device = device;
    this.#guard = new StreamGuard(device);
    this.#slots = slots;
    this.#gap = Math.floor(device.limits.overhead / device.sectorTimeAt({ cylinder: 0, head: 0, angle: 0 }));
  }

  get size(): number {
    return this.#guard.size + this.#reads.items.length + this.#writes.items.length;
  }

  add(request: BlockRequest): void {
    const queued = new Queued(request, this.#device);
    if (queued.deadline !== Number.POSITIVE_INFINITY) this.#guard.add(queued);
    else (request.write ? this.#writes : this.#reads).add(queued);
  }

  take(now: number): BlockRequest | null {
    const at = this.#device.freeAt(now);
    this.#longest = now < this.#criticalUntil ? CRITICAL_TRANSFER : LONGEST_TRANSFER;
    const best = this.#nearestGroup(at);
    const stream = this.#guard.nearest(at);
    if (stream !== null) {
      const choice = best === null || this.#guard.cost <= best.cost ? stream : best.head!;
      const forced = this.#guard.instead(choice, at, choice === stream ? stream.transfer : best!.transfer);
      const chosen = forced ?? choice;
      if (chosen !== best?.head) {
        this.wakeAt = Number.POSITIVE_INFINITY;
        return this.#guard.take(chosen);
      }
    }
    if (best === null) return null;
    if (stream === null && this.#canWait(best, now, at)) return null;
    this.wakeAt = Number.POSITIVE_INFINITY;
    this.#slots.use(best.class);
    if (best.class === "critical") this.#criticalUntil = now + CRITICAL_TIME;
    return taken(best);
  }

  completed(): void {}

  /**
   * While critical requests are reckoned with, the disk is not given what would only wait for the platters: it could not be called back. The
   * arm leaves when it has to, and once the time is there, something goes.
   */
  #canWait({ head, class: own }: Group, now: number, at: number): boolean {
    if (now >= this.#criticalUntil || own === "critical" || now >= this.wakeAt) return false;
    const device = this.#device;
    const reach = device.reachTime(device.heads, head!, head!.request.write, at);
    const slack = reach - device.limits.overhead - device.seekTime(Math.abs(head!.cylinder - device.heads.cylinder));
    if (slack <= LEAST_WAIT) return false;
    this.wakeAt = Math.min(this.wakeAt, now + slack - LEAST_WAIT / 2);
    return true;
  }

  #nearestGroup(at: number): Group | null {
    for (let round = 0; round < 2; round++) {
      this.#best.cost = Number.POSITIVE_INFINITY;
      this.#look(this.#reads.items, at);
      this.#look(this.#writes.items, at);
      if (this.#best.cost !== Number.POSITIVE_INFINITY) return this.#best;
      // Whoever waits has had its slots: what the others left is lent to it.
      this.#slots.refill();
    }
    return null;
  }

  /** Remembers the nearest of the groups of requests that one transfer can serve, if it is nearer than what is remembered. */
  #look(items: Queued[], at: number): void {
    const best = this.#best;
    const device = this.#device;
    const { heads } = device;
    const longest = this.#longest;
    const write = items.length > 0 && items[0]!.request.write;
    const gap = write ? 0 : this.#gap;
    let known: RequestClass | null = null;
    let headStart = 0;
    let hasSlots = false;
    let end = 0;
    for (let start = 0; start < items.length; start = end) {
      const head = items[start]!;
      let sectorEnd = head.end;
      let oldest = head.arrival;
      let urgent = head.request.class;
      for (end = start + 1; end < items.length; end++) {
        const item = items[end]!;
        if (item.sector > sectorEnd + gap || item.end - head.sector > longest) break;
        if (item.end > sectorEnd) sectorEnd = item.end;
        if (item.arrival < oldest) oldest = item.arrival;
        if (HEAD_STARTS[item.request.class] > HEAD_STARTS[urgent]) urgent = item.request.class;
      }
      if (urgent !== known) {
        known = urgent;
        headStart = HEAD_STARTS[urgent];
        hasSlots = this.#slots.has(urgent);
      }
      if (!hasSlots) continue;
      const wait = at - oldest;
      const ageing = write ? WRITE_AGEING * wait - WRITE_HANDICAP : READ_AGEING * wait;
      const nearer = headStart + ageing + (wait > LONGEST_WAIT ? wait : 0);
      // The arm's way alone is too long for most, and soon found.
      const way = head.cylinder - heads.cylinder;
      if (device.seekTime(way < 0 ? -way : way) - nearer >= best.cost) continue;
      const cost = device.reachTime(heads, head, write, at) - nearer;
      if (cost >= best.cost) continue;
      best.cost = cost;
      best.items = items;
      best.head = head;
      best.start = start;
      best.end = end;
      best.sectorEnd = sectorEnd;
      best.class = urgent;
      best.transfer = (head.transfer / head.request.sectors) * (sectorEnd - head.sector);
    }
  }
}

/** Requests of one direction that are one transfer. One is made, and used again and again. */
class Group {
  cost = 0;
  items: Queued[] = [];
  head: Queued | null = null;
  start = 0;
  end = 0;
  sectorEnd = 0;
  class: RequestClass = REQUEST_CLASSES[0];
  transfer = 0;
}

function taken({ items, head, start, end, sectorEnd }: Group): BlockRequest {
  const parts = items.splice(start, end - start);
  const { request } = head!;
  if (parts.length === 1) return request;
  return { ...request, sectors: sectorEnd - request.sector, parts: parts.map((part) => part.request) };
}
