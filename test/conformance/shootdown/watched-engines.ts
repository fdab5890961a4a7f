import { ShadowEngine } from "../../../src/hypervisor/translation/shadow/index.ts";
import { TlbEngine } from "../../../src/hypervisor/translation/tlb-engine.ts";
import { ACCESS_WRITE } from "../../../src/paging/index.ts";
import { PAGES } from "./step.ts";

const PAGE = 4096;

/**
 * What one processor has put into its slots of the TLB for the pages in question and not dropped: host address, and the number of
 * the name that it lies under. The engine tells; the TLB itself says the same, only slower (`eachSlot`).
 */
export class WatchedSlots {
  /** By page * 2, and 1 more for writes; name 0 for nothing. */
  readonly names = new Int32Array(PAGES * 2);
  readonly addresses = new Float64Array(PAGES * 2);

  put(name: number, low: number, access: number, address: number): void {
    const page = low >>> 12;
    if (page >= PAGES) return;
    const slot = page * 2 + ((access & ACCESS_WRITE) === 0 ? 0 : 1);
    this.names[slot] = name;
    this.addresses[slot] = address;
  }

  drop(low: number): void {
    this.names.fill(0, (low >>> 12) * 2, (low >>> 12) * 2 + 2);
  }
}

/** What an engine that is watched tells besides. */
export interface Watched {
  /** How often it ran: an access that hits at once does not have it run. */
  readonly runs: number;
  readonly slots: WatchedSlots;
  /** Whether the engine asks for the active space's name before it runs: then what is cached under it hits at once. */
  readonly hitsAtOnce: boolean;
  /** The slots of a page are needed for something else, or one of them is. */
  displace(page: number): void;
  displaceSlot(page: number, write: boolean): void;
}

export class WatchedShadowEngine extends ShadowEngine implements Watched {
  runs = 0;
  hitsAtOnce = false;
  readonly slots = new WatchedSlots();
  declare private name: number;

  displace(page: number): void {
    this.dropAddress(page * PAGE);
  }

  displaceSlot(page: number, write: boolean): void {
    this.slots.names[page * 2 + (write ? 1 : 0)] = 0;
    super.rememberSmall(1, page * PAGE, write ? ACCESS_WRITE : 0, 0, false);
  }

  override translate(high: number, low: number, access: number): number {
    const { runs } = this;
    const address = super.translate(high, low, access);
    // What was found by another way than the first is asked for first from now on.
    if (address >= 0 && this.runs === runs + 1) this.hitsAtOnce = true;
    return address;
  }

  override forgetTags(): void {
    super.forgetTags();
    this.slots.names.fill(0);
    this.hitsAtOnce = false;
  }

  protected override stopHits(): void {
    super.stopHits();
    this.hitsAtOnce = false;
  }

  protected override useSpace(space: number, global: number): void {
    this.name = space;
    this.hitsAtOnce = false;
    super.useSpace(space, global);
  }

  protected override rememberSmall(high: number, low: number, access: number, address: number, global: boolean): void {
    this.slots.put(this.name, low, access, address);
    super.rememberSmall(high, low, access, address, global);
  }

  protected override dropAddress(low: number): void {
    this.slots.drop(low);
    super.dropAddress(low);
  }

  protected override catchUp(): void {
    this.runs++;
    super.catchUp();
  }

  protected override miss(high: number, low: number, access: number): number {
    this.runs++;
    return super.miss(high, low, access);
  }
}

/** The same, of the other engine: what is watched is protected, so that each has to tell itself. */
export class WatchedTlbEngine extends TlbEngine implements Watched {
  runs = 0;
  hitsAtOnce = false;
  readonly slots = new WatchedSlots();
  /** Set before the fields are made: the engine takes a name when it is constructed. */
  declare private name: number;

  displace(page: number): void {
    this.dropAddress(page * PAGE);
  }

  displaceSlot(page: number, write: boolean): void {
    this.slots.names[page * 2 + (write ? 1 : 0)] = 0;
    super.rememberSmall(1, page * PAGE, write ? ACCESS_WRITE : 0, 0, false);
  }

  override translate(high: number, low: number, access: number): number {
    const { runs } = this;
    const address = super.translate(high, low, access);
    // What was found by another way than the first is asked for first from now on.
    if (address >= 0 && this.runs === runs + 1) this.hitsAtOnce = true;
    return address;
  }

  override forgetTags(): void {
    super.forgetTags();
    this.slots.names.fill(0);
    this.hitsAtOnce = false;
  }

  protected override stopHits(): void {
    super.stopHits();
    this.hitsAtOnce = false;
  }

  protected override useSpace(space: number, global: number): void {
    this.name = space;
    this.hitsAtOnce = false;
    super.useSpace(space, global);
  }

  protected override rememberSmall(high: number, low: number, access: number, address: number, global: boolean): void {
    this.slots.put(this.name, low, access, address);
    super.rememberSmall(high, low, access, address, global);
  }

  protected override dropAddress(low: number): void {
    this.slots.drop(low);
    super.dropAddress(low);
  }

  protected override catchUp(): void {
    this.runs++;
    super.catchUp();
  }

  protected override miss(high: number, low: number, access: number): number {
    this.runs++;
    return super.miss(high, low, access);
  }
}
