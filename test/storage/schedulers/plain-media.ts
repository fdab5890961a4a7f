import {
  type BlockRequest,
  type Place,
  type PositionedDevice,
  REQUEST_CLASSES,
  type RequestClass,
  type Scheduler,
} from "../../../src/storage/index.ts";

/** A request that waits. Its class is kept here, since it may rise. */
interface Waiting extends Place {
  readonly request: BlockRequest;
  class: RequestClass;
}

/** Requests that one transfer can serve. */
interface Group {
  readonly items: Waiting[];
  readonly end: number;
  readonly class: RequestClass;
  readonly cost: number;
}

interface Plan {
  readonly slack: number;
  readonly first: Waiting | null;
}

const HEAD_STARTS = { critical: 1e6, high: 12, interactive: 6, normal: 0, background: -8, low: -16, idle: -32 };
const SLOTS = { critical: 64, high: 32, interactive: 24, normal: 16, background: 6, low: 3, idle: 1 };
const [CRITICAL] = REQUEST_CLASSES;

/**
 * The slow twin of `ContinuousMedia`: the rules as they are said, with nothing kept between two choices. Every group of neighbours is gathered
 * and every way is computed each time.
 */
export class PlainMedia implements Scheduler {
  readonly name = "plain media";
  wakeAt = Number.POSITIVE_INFINITY;
  readonly #device: PositionedDevice;
  readonly #gap: number;
  #waiting: Waiting[] = [];
  #slots: Record<RequestClass, number> = { ...SLOTS };
  #criticalUntil = 0;
  /** Cylinders of critical requests, the last first. */
  #criticals: number[] = [];
  /** What critical requests may take, in times of what they take on an idle disk; as those that came would have it. */
  #limit = 2.2;
  #criticalServed = 0;
  #streamsUntil = Number.NEGATIVE_INFINITY;
  #lastSector = 0;

  constructor(device: PositionedDevice) {
    this.#device = device;
    this.#gap = Math.floor(device.limits.overhead / device.sectorTimeAt({ cylinder: 0, head: 0, angle: 0 }));
  }

  get size(): number {
    return this.#waiting.length;
  }

  add(request: BlockRequest): void {
    const item = { request, class: request.class, cylinder: 0, head: 0, angle: 0 };
    this.#device.locate(request.sector, item);
    this.#waiting.push(item);
  }

  raise(request: BlockRequest, requestClass: RequestClass): void {
    const item = this.#waiting.find((one) => one.request === request)!;
    if (HEAD_STARTS[requestClass] > HEAD_STARTS[item.class]) item.class = requestClass;
  }

  completed(): void {}

  take(now: number): BlockRequest | null {
    const at = this.#device.freeAt(now);
    const isCritical = now < this.#criticalUntil;
    const streams = this.#waiting.filter(isStream).toSorted((a, b) => a.request.deadline - b.request.deadline);
    const best = this.#nearestGroup(at, isCritical ? 128 : 4096, isCritical);
    const costs = streams.map((item) => this.#reach(this.#device.heads, item, at) + 15 * timeLeft(item, at) - 15);
    const stream = streams[costs.indexOf(Math.min(...costs))];
    if (stream !== undefined) {
      const isNearer = best === null || Math.min(...costs) <= best.cost;
      const choice = isNearer ? stream : best.items[0]!;
      const transfer = this.#transfer(choice, isNearer ? choice.request.sectors : best.end - choice.request.sector);
      const chosen = this.#instead(choice, streams, at, transfer) ?? choice;
      if (chosen !== best?.items[0]) {
        this.#streamsUntil = now + 1000;
        return this.#leave([chosen], chosen.request);
      }
    }
    if (best === null) return null;
    const [head] = best.items as [Waiting];
    const isWithoutStreams = now >= this.#streamsUntil;
    const way = Math.abs(head.cylinder - this.#device.heads.cylinder);
    if (
      isWithoutStreams &&
      isCritical &&
      best.class !== CRITICAL &&
      way > this.#device.cylinders / 16 &&
      this.#excess(best.items, best.end) > 0
    ) {
      const sector = this.#lastSector + this.#legWay(head.request.sector - this.#lastSector);
      return this.#leave([], { ...head.request, sector, sectors: 0, parts: [] });
    }
    if (isWithoutStreams && isCritical && best.class !== CRITICAL && now < this.wakeAt) {
      const seek = this.#device.seekTime(way);
      const slack = this.#reach(this.#device.heads, head, at) - this.#device.limits.overhead - seek;
      if (slack > 0.25) {
        this.wakeAt = now + slack - 0.25 / 2;
        return null;
      }
    }
    this.#slots[best.class]--;
    if (best.class === CRITICAL) {
      const { arrival, sector, class: firstClass } = head.request;
      const end = at + this.#reach(this.#device.heads, head, at) + this.#transfer(head, best.end - sector);
      const took = end - arrival;
      const isTelling = firstClass === CRITICAL && isWithoutStreams;
      if (isTelling && this.#criticals.length > 0 && arrival >= this.#criticalServed)
        this.#limit *= took > 2 * this.#idle() ? 0.97 : 1 + 0.03 / 250;
      this.#limit = Math.min(3, Math.max(1.2, this.#limit));
      this.#criticalServed = end;
      this.#criticalUntil = now + 2000;
      this.#criticals = [head.cylinder, ...this.#criticals].slice(0, 16);
    }
    const { request } = head;
    if (best.items.length === 1) return this.#leave(best.items, request);
    const parts = best.items.map((item) => item.request);
    return this.#leave(best.items, { ...request, sectors: best.end - request.sector, parts });
  }

  #leave(items: Waiting[], request: BlockRequest): BlockRequest {
    this.wakeAt = Number.POSITIVE_INFINITY;
    this.#lastSector = request.sector;
    this.#waiting = this.#waiting.filter((item) => !items.includes(item));
    return request;
  }

  #reach(from: Readonly<Place>, { request, ...to }: Waiting, at: number): number {
    return this.#device.reachTime(from, to, request.write, at);
  }

  #transfer(item: Waiting, sectors: number): number {
    return this.#device.sectorTimeAt(item) * sectors;
  }

  /** By how much a critical request that comes just after these have gone to the disk may miss what it should take at most. */
  #excess([head]: readonly Waiting[], end: number): number {
    return this.#excessAt(head!.cylinder, this.#transfer(head!, end - head!.request.sector));
  }

  #excessAt(cylinder: number, transfer: number): number {
    const { limits, rotation, heads } = this.#device;
    const underWay = limits.overhead + this.#seek(heads.cylinder, cylinder) + transfer;
    const middle = Math.floor((Math.min(...this.#criticals) + Math.max(...this.#criticals)) / 2);
    const own = limits.overhead + this.#seek(cylinder, middle) + rotation;
    return Math.max(0, underWay + own - this.#limit * this.#idle());
  }

  #idle(): number {
    const { limits, rotation } = this.#device;
    return limits.overhead + this.#seek(Math.min(...this.#criticals), Math.max(...this.#criticals)) + rotation;
  }

  #seek(from: number, to: number): number {
    return this.#device.seekTime(Math.abs(from - to));
  }

  /** Sectors of a leg: 4/5 of the way, or 4/5 of that, until a critical request could wait for it, or it is shorter than any leg. */
  #legWay(sectors: number): number {
    const { heads, cylinders } = this.#device;
    let way = sectors;
    for (;;) {
      way *= 0.8;
      const end = { cylinder: 0, head: 0, angle: 0 };
      this.#device.locate(this.#lastSector + Math.trunc(way), end);
      const isShort = Math.abs(end.cylinder - heads.cylinder) <= cylinders / 16;
      if (isShort || this.#excessAt(end.cylinder, 0) === 0) return Math.trunc(way);
    }
  }

  #nearestGroup(at: number, longest: number, isCritical: boolean): Group | null {
    const groups = [false, true].flatMap((write) => this.#groups(write, at, longest, isCritical));
    let eligible = groups.filter((group) => this.#slots[group.class] > 0);
    if (eligible.length === 0) {
      this.#slots = { ...SLOTS };
      eligible = groups;
    }
    return eligible.reduce<Group | null>((best, one) => (best === null || one.cost < best.cost ? one : best), null);
  }

  #groups(write: boolean, at: number, longest: number, isCritical: boolean): Group[] {
    const waiting = this.#waiting.filter((item) => !isStream(item)).length;
    const readAgeing = Math.max(0.004, (0.08 * 32) / Math.max(32, waiting));
    const items = this.#waiting
      .filter((item) => !isStream(item) && item.request.write === write)
      .toSorted((a, b) => a.request.sector - b.request.sector);
    const groups: Group[] = [];
    while (items.length > 0) {
      const group = [items.shift()!];
      const { sector } = group[0]!.request;
      let end = endOf(group[0]!);
      while (items.length > 0) {
        const { request } = items[0]!;
        if (request.sector > end + (write ? 0 : this.#gap) || endOf(items[0]!) - sector > longest) break;
        end = Math.max(end, endOf(items[0]!));
        group.push(items.shift()!);
      }
      const urgent = REQUEST_CLASSES.find((name) => group.some((item) => item.class === name))!;
      const wait = at - Math.min(...group.map(({ request }) => request.arrival));
      const ageing = write ? 0.004 * wait - 1.5 : readAgeing * wait;
      const nearer = HEAD_STARTS[urgent] + ageing + (wait > 3500 ? (isCritical && waiting > 32 ? 20 : 3500) : 0);
      const excess = isCritical && urgent !== CRITICAL ? 3 * this.#excess(group, end) : 0;
      groups.push({
        items: group,
        end,
        class: urgent,
        cost: this.#reach(this.#device.heads, group[0]!, at) + excess - nearer,
      });
    }
    return groups;
  }

  #instead(choice: Waiting, streams: Waiting[], at: number, transfer: number): Waiting | null {
    const device = this.#device;
    const done = at + this.#reach(device.heads, choice, at) + transfer;
    const margin = 20 + 3 * streams.length;
    const others = streams.filter((item) => item !== choice);
    const longest = device.limits.overhead + device.seekTime(device.cylinders - 1) + device.rotation;
    let [time, isSafe] = [done, choice.request.deadline >= done + margin];
    for (const item of others) {
      time += longest + this.#transfer(item, item.request.sectors);
      isSafe &&= item.request.deadline >= time + margin;
    }
    if (isSafe) return null;
    const after = Math.min(choice.request.deadline - done, this.#bestPlan(choice, done, others, margin).slack);
    if (after >= margin) return null;
    const { slack, first } = this.#bestPlan(device.heads, at, streams, 12);
    return isStream(choice) && after >= slack ? null : first;
  }

  #bestPlan(from: Readonly<Place>, at: number, streams: Waiting[], enough: number): Plan {
    const plans = [0, 16, 40, 100].map((urgency) => this.#plan(from, at, streams, urgency));
    return plans.find(({ slack }) => slack >= enough) ?? plans.toSorted((a, b) => b.slack - a.slack)[0]!;
  }

  #plan(from: Readonly<Place>, at: number, streams: Waiting[], urgency: number): Plan {
    const left = [...streams];
    let [heads, time, slack] = [from, at, Number.POSITIVE_INFINITY];
    let first: Waiting | null = null;
    while (left.length > 0) {
      const costs = left.map((item) => this.#reach(heads, item, time) + urgency * timeLeft(item, time));
      const [item] = left.splice(costs.indexOf(Math.min(...costs)), 1) as [Waiting];
      first ??= item;
      time += this.#reach(heads, item, time) + this.#transfer(item, item.request.sectors);
      slack = Math.min(slack, item.request.deadline - time);
      heads = item;
    }
    return { slack, first };
  }
}

const isStream = ({ request }: Waiting): boolean => request.deadline !== Number.POSITIVE_INFINITY;
const endOf = ({ request }: Waiting): number => request.sector + request.sectors;
const timeLeft = ({ request }: Waiting, at: number): number =>
  (request.deadline - at) / (request.deadline - request.arrival);
