import {
  ACCESS_FETCH,
  ACCESS_WRITE,
  FAULT_NONE,
  type PageShift,
  PageWalker,
  type PagingState,
} from "../../paging/index.ts";
import { type GuestFrames, HOLE, MAP_BYTES, MAP_EXECUTE, MAP_FRAME, MAP_READ, MAP_WRITE } from "../frame-map.ts";
import { MISSED, REFUSED_BY_GUEST_MAP, type Refusal, type TranslationEngine } from "./engine.ts";
import { FlatWalk, UNCOMMON } from "./flat-walk.ts";
import { GuestTables } from "./guest-tables.ts";
import { RunWalk } from "./run-walk.ts";

// As in flat-walk.ts: constants of this file alone, for speed.
const NONE = UNCOMMON;
const FRAME = MAP_FRAME;
const NOT_AT_HAND = MISSED;
const IN_PAGE = 0xfff;

export interface WalkEngineOptions {
  readonly frames: GuestFrames;
  /** Of the processor: kept by reference, and looked at after `controlChanged` (`pkru` at every access). */
  readonly state: Readonly<PagingState>;
  readonly maxPhysicalAddressBits: number;
  /** Whether permitted walks set accessed and dirty flags; a probe's do not. */
  readonly setFlags: boolean;
}

/** Walks the guest's tables at every access and remembers nothing: the engine that the others are measured against. */
export class WalkEngine implements TranslationEngine {
  refusal: Refusal = FAULT_NONE;
  errorCode = 0;
  guestPhysicalAddress = 0;
  /** log2 of the bytes of the page that the last permitted `walk` came to. */
  pageShift: PageShift = 12;
  /** Whether CR4.PGE and the leaf of that walk make it global. */
  global = false;

  /** The common walk, which the caches of other engines are filled from. */
  readonly flat: FlatWalk;

  readonly #state: Readonly<PagingState>;
  readonly #map: Int32Array;
  readonly #run: RunWalk;
  readonly #tables: GuestTables;
  readonly #walker: PageWalker;

  constructor(options: WalkEngineOptions) {
    const { frames, state, maxPhysicalAddressBits, setFlags } = options;
    this.#state = state;
    this.#map = frames.map;
    this.flat = new FlatWalk(frames);
    this.flat.setControl(state);
    this.#run = new RunWalk(this.flat, frames);
    this.#tables = new GuestTables(frames);
    this.#walker = new PageWalker(this.#tables, { maxPhysicalAddressBits, setFlags });
  }

  hit(high: number, low: number, access: number): number {
    const mapped = this.flat.walk(high, low, access);
    return mapped === NONE ? NOT_AT_HAND : mapped & FRAME;
  }

  translate(high: number, low: number, access: number): number {
    const page = this.hit(high, low, access);
    return (page & NOT_AT_HAND) !== 0 ? this.walk(high, low, access) : (page | (low & IN_PAGE)) >>> 0;
  }

  translateRun(
    high: number,
    lows: Int32Array,
    from: number,
    count: number,
    access: number,
    addresses: Int32Array,
  ): number {
    const run = this.#run;
    let done = run.walk(lows, from, 0, count, access, addresses);
    while (done < count) {
      const low = lows[from + done]!;
      const mapped = this.flat.walk(high, low, access);
      if (mapped !== NONE) {
        run.remember(low);
        addresses[done] = (mapped & FRAME) | (low & 0xfff);
      } else {
        const address = this.walk(high, low, access);
        if (address < 0) break;
        addresses[done] = address;
      }
      done = run.walk(lows, from, done + 1, count, access, addresses);
    }
    run.end();
    return done;
  }

  controlChanged(): void {
    this.flat.setControl(this.#state);
  }

  invalidatePage(): void {}

  invalidatePcid(): void {}

  guestMapChanged(): void {
    this.flat.mapChanged();
  }

  synchronizeFlags(): void {}

  counters(): Readonly<Record<string, number>> {
    return {};
  }

  /** The full walk, for whoever has asked `flat` before. Tells `pageShift` and `global` too. */
  walk(high: number, low: number, access: number): number {
    const tables = this.#tables;
    const walker = this.#walker;
    tables.refusedAt = -1;
    const permitted = walker.walk(this.#state, high, low, access);
    if (tables.refusedAt >= 0) return this.#refuseByMap(tables.refusedAt);
    if (!permitted) {
      this.refusal = walker.fault;
      this.errorCode = walker.errorCode;
      return -1;
    }
    const gpa = walker.physicalAddress;
    const mapped = gpa < MAP_BYTES ? this.#map[gpa >>> 12]! : HOLE;
    const right = (access & ACCESS_FETCH) !== 0 ? MAP_EXECUTE : (access & ACCESS_WRITE) !== 0 ? MAP_WRITE : MAP_READ;
    if ((mapped & right) === 0) return this.#refuseByMap(gpa);
    this.pageShift = walker.pageShift;
    this.global = walker.global;
    return ((mapped & MAP_FRAME) | (low & 0xfff)) >>> 0;
  }

  #refuseByMap(gpa: number): -1 {
    this.refusal = REFUSED_BY_GUEST_MAP;
    this.errorCode = 0;
    this.guestPhysicalAddress = gpa;
    return -1;
  }
}
