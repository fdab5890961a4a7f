import { MAP_FRAME, MAX_PHYSICAL_ADDRESS_BITS } from "../../src/hypervisor/frame-map.ts";
import { WHOLE_ENTRY, WITHIN_ENTRY } from "../../src/hypervisor/translation/engine.ts";
import {
  FLUSH_ALL_ADDRESS_SPACES,
  FLUSH_ALL_PROCESSORS,
  FlushCalls,
  ShadowPageTables,
} from "../../src/hypervisor/translation/shadow/index.ts";
import { ACCESS_WRITE } from "../../src/paging/index.ts";
import { EagerGuest } from "./eager-guest.ts";
import { GuestMachine, ShadowProcessor } from "./shadow-guest.ts";

const PAGE = 4096;
const FRAMES = 1536;
const PROCESSORS = 3;
/** Two roots with tables of their own, the fifth table is the same for both. */
const ROOTS = [1, 11];
const TABLES = [1, 2, 3, 4, 11, 12, 13, 14, 20];
const LEAF_TABLES = [4, 14, 20];
const SHARED = 20;
const TABLE_FRAMES = 32;
/** Linear pages from here on map the tables, one after the other. */
const WINDOW = 448;
/** What 2 MiB each of the linear space lead to: a page table, a large page, the same table read-only, the shared table. */
const OWN_AT = 0;
const LARGE_AT = 2 ** 21;
const ALIAS_AT = 2 * 2 ** 21;
const SHARED_AT = 3 * 2 ** 21;
const REGIONS = [OWN_AT, LARGE_AT, ALIAS_AT, SHARED_AT];
const PAGES = 12;

const P = 1;
const W = 2;
const A = 0x20;
const D = 0x40;
const PS = 0x80;
/** A bit that means nothing to the processor. */
const IGNORED = 0x200;

/** A number's bits, taken off from the low end. */
function taker(number: number) {
  let rest = number >>> 0;
  return (values: number) => {
    const taken = rest % values;
    rest = Math.floor(rest / values);
    return taken;
  };
}

/**
 * The same guest twice: three processors on shadow tables, and the eager walker. Whenever the guest could look at its tables, both
 * have to show the same. The guest flushes what it has edited, so an eager walker without a TLB is what it has to be like.
 */
export class LazyFlagsGuest {
  readonly eager = new EagerGuest(TABLE_FRAMES);
  readonly tables: ShadowPageTables;
  readonly #machine = new GuestMachine(FRAMES);
  readonly #calls: FlushCalls;
  readonly #processors: ShadowProcessor[];
  readonly #roots = new Array<number>(PROCESSORS).fill(ROOTS[0]!);

  /** @param seed which flags the entries have at first */
  constructor(options: { budgetPages?: number; batch?: number }, seed: number) {
    const machine = this.#machine;
    // Piece 3 of the second large page is elsewhere, so that the host cannot map it as one.
    machine.map[1024 + 3] = machine.map[900]!;
    const take = taker(seed);
    const flags = () => P | W | [0, A, A | D, 0][take(4)]!;
    for (const root of ROOTS) {
      for (let level = 0; level < 3; level++) this.#put(root + level, 0, ((root + level + 1) << 12) | flags());
      this.#put(root + 2, 1, ((root === 1 ? 512 : 1024) << 12) | PS | flags());
      this.#put(root + 2, 2, ((root + 3) << 12) | (flags() & ~(W | D)));
      this.#put(root + 2, 3, (SHARED << 12) | flags());
      for (const [index, table] of TABLES.entries()) this.#put(root + 3, WINDOW + index, (table << 12) | P | W | A | D);
    }
    for (let page = 0; page < 8; page++) this.#put(SHARED, page, ((0x150 + page) << 12) | P | W);
    this.tables = new ShadowPageTables({ frames: machine, processors: PROCESSORS, ...options });
    this.#calls = new FlushCalls(this.tables, MAX_PHYSICAL_ADDRESS_BITS);
    this.#processors = this.#roots.map((root, index) => new ShadowProcessor(this.tables, index, root));
  }

  /** One operation, the same on both sides. @throws Error where they differ */
  operate(operation: number): void {
    const take = taker(operation);
    const kind = take(64);
    const processor = take(PROCESSORS);
    if (kind < 52) this.#touch(processor, REGIONS[take(4)]!, take(PAGES), take(2) === 1, take(2));
    else if (kind < 54) this.#readEntry(processor, take(TABLES.length), take(PAGES));
    else if (kind === 54) this.#readTable(processor, take(TABLES.length));
    else if (kind < 58) this.#storeLeaf(processor, take(LEAF_TABLES.length), take(PAGES), take(16), take(64));
    else if (kind === 58) this.#mark(processor, take(TABLES.length), take(PAGES), take(3));
    else if (kind === 59) this.#change(processor, take(TABLES.length), take(PAGES), take(4), take(3));
    else if (kind < 62) this.#loadRoot(processor, ROOTS[take(2)]!, take(2) === 1);
    else if (kind === 62) this.#look(take(TABLES.length), take(PAGES), take(8));
    else this.#remap(take(PAGES), take(8));
  }

  /** All tables, as a dump shows them. */
  compareAll(): void {
    this.#processors[0]!.engine.synchronizeFlags();
    for (const table of TABLES) this.#compareTable(table);
  }

  /** An access to a page of the guest; of a large one, near its beginning or its end. */
  #touch(processor: number, region: number, page: number, write: boolean, end: number): void {
    this.#access(processor, region + (page + (region === LARGE_AT ? end * 490 : 0)) * PAGE, write, 0);
  }

  /** @returns whether it was allowed */
  #access(processor: number, linear: number, write: boolean, extent: number): boolean {
    const frame = this.eager.access(processor, this.#roots[processor]!, linear, write);
    const at = this.#processors[processor]!.at(linear, (write ? ACCESS_WRITE : 0) | extent);
    const expected = frame < 0 ? -1 : this.#machine.spa(frame * PAGE) + (linear & 0xfff);
    if (at !== expected) throw new Error(`${linear.toString(16)}: ${at}, not ${expected}`);
    return frame >= 0;
  }

  /** The guest reads an entry through its mapping of the table. */
  #readEntry(processor: number, table: number, index: number): boolean {
    if (!this.#access(processor, (WINDOW + table) * PAGE + index * 8, false, WITHIN_ENTRY | WHOLE_ENTRY)) return false;
    this.#compare(TABLES[table]!, index);
    return true;
  }

  /** The guest copies a table, from some place on. */
  #readTable(processor: number, table: number): void {
    if (this.#access(processor, (WINDOW + table) * PAGE, false, 0)) this.#compareTable(TABLES[table]!);
  }

  /** The guest stores an entry without having looked at it, a new one or the old one as unused, and flushes. */
  #storeLeaf(processor: number, leaf: number, index: number, flags: number, frame: number): void {
    const table = LEAF_TABLES[leaf]!;
    const linear = (WINDOW + TABLES.indexOf(table)) * PAGE + index * 8;
    if (!this.#access(processor, linear, true, WITHIN_ENTRY | WHOLE_ENTRY)) return;
    const fresh = ((0x100 + frame) << 12) | P | (flags & 1 ? W : 0) | (flags & 2 ? A : 0) | (flags > 13 ? D : 0);
    const unused = this.eager.entries[table * 512 + index]! & ~(A | D);
    const value = flags === 0 ? 0 : flags < 8 ? fresh : unused;
    this.#put(table, index, value);
    this.#flushEntry(table, index, frame % 3);
  }

  /** The guest reads an entry of any level, changes a bit of it with a store of one byte, and flushes. */
  #change(processor: number, table: number, index: number, bit: number, how: number): void {
    const frame = TABLES[table]!;
    if (!this.#readEntry(processor, table, index)) return;
    if (!this.#access(processor, (WINDOW + table) * PAGE + index * 8, true, WITHIN_ENTRY)) return;
    this.#compare(frame, index);
    const value = this.eager.entries[frame * 512 + index]!;
    if ((value & P) === 0) return;
    this.#put(frame, index, bit === 0 ? value ^ W : value & ~[0, A, D, A | D][bit]!);
    if (LEAF_TABLES.includes(frame)) this.#flushEntry(frame, index, how);
    else this.#flushAll(how);
  }

  /** The guest stores a byte of an entry that has no flags in it, without having looked. */
  #mark(processor: number, table: number, index: number, how: number): void {
    const frame = TABLES[table]!;
    if (!this.#access(processor, (WINDOW + table) * PAGE + index * 8 + 1, true, WITHIN_ENTRY)) return;
    this.#compare(frame, index);
    const value = this.eager.entries[frame * 512 + index]!;
    if ((value & P) === 0) return;
    this.#put(frame, index, value ^ IGNORED);
    if (LEAF_TABLES.includes(frame)) this.#flushEntry(frame, index, how);
    else this.#flushAll(how);
  }

  #loadRoot(processor: number, root: number, keep: boolean): void {
    this.#roots[processor] = root;
    this.#processors[processor]!.loadRoot(root, keep);
    if (!keep) this.eager.flush(processor);
  }

  /** Somebody looks at a table from outside, as a dump or a device does, and at times clears flags there. */
  #look(table: number, index: number, how: number): void {
    this.#processors[0]!.engine.synchronizeFlags();
    const frame = TABLES[table]!;
    this.#compareTable(frame);
    if (how !== 0) return;
    this.#put(frame, index, this.eager.entries[frame * 512 + index]! & ~(A | D));
    this.#flushAll(0);
  }

  /** The partition's map changes for a frame of the guest: its translations go, and no flag with them. */
  #remap(page: number, how: number): void {
    const guestFrame = how < 6 ? 0x150 + page : how === 6 ? 512 : SHARED;
    if (guestFrame === SHARED) this.#moveTable(guestFrame);
    for (const { engine } of this.#processors) engine.guestMapChanged(guestFrame, 1);
  }

  /** A table gets another host frame, with all that is in it. */
  #moveTable(guestFrame: number): void {
    this.#processors[0]!.engine.synchronizeFlags();
    const { map, words } = this.#machine;
    const spare = map[901]!;
    const from = (map[guestFrame]! & MAP_FRAME) / 4;
    words.copyWithin((spare & MAP_FRAME) / 4, from, from + PAGE / 4);
    map[901] = map[guestFrame]!;
    map[guestFrame] = spare;
  }

  /** Flushes the pages that an entry of a page table maps, or more. */
  #flushEntry(table: number, index: number, how: number): void {
    if (how !== 2) {
      this.#flushAll(how);
      return;
    }
    const regions = table === SHARED ? [SHARED_AT] : [OWN_AT, ALIAS_AT];
    const list = regions.map((region) => BigInt(region + index * PAGE));
    this.#calls.flushAddressList({ addressSpace: 0n, flags: EVERYTHING, processors: 0n }, list);
    this.eager.flush(-1);
  }

  #flushAll(how: number): void {
    if (how === 0) this.#calls.flushAddressSpace({ addressSpace: 0n, flags: EVERYTHING, processors: 0n });
    else for (const { engine } of this.#processors) engine.invalidatePcid(2, 0, 0, 0);
    this.eager.flush(-1);
  }

  #put(frame: number, index: number, value: number): void {
    this.#machine.words[this.#wordOf(frame, index)] = value;
    this.eager.entries[frame * 512 + index] = value;
  }

  #compareTable(frame: number): void {
    for (let index = 0; index < 512; index++) this.#compare(frame, index);
  }

  #compare(frame: number, index: number): void {
    const seen = this.#machine.words[this.#wordOf(frame, index)]!;
    const expected = this.eager.entries[frame * 512 + index]!;
    if (seen !== expected)
      throw new Error(`entry ${index} of table ${frame}: ${seen.toString(16)}, not ${expected.toString(16)}`);
  }

  #wordOf(frame: number, index: number): number {
    return ((this.#machine.map[frame]! & MAP_FRAME) >>> 2) + index * 2;
  }
}

const EVERYTHING = FLUSH_ALL_PROCESSORS | FLUSH_ALL_ADDRESS_SPACES;
