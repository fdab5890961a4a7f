import type { Refusal, TranslationEngine } from "../../../src/hypervisor/translation/engine.ts";
import type { PagingState } from "../../../src/paging/index.ts";

const CR4_PGE = 1 << 7;
const CR4_PCIDE = 1 << 17;

/** Reasons to flush that an engine can forget. */
export const FLUSHES = [
  "INVLPG",
  "INVPCID 0",
  "INVPCID 1",
  "INVPCID 2",
  "INVPCID 3",
  "MOV CR3",
  "CR4.PGE",
  "CR4.PCIDE",
  "the guest's map",
] as const;
export type Flush = (typeof FLUSHES)[number];

/** An engine that does not hear of one reason to flush. */
export class ForgetfulEngine implements TranslationEngine {
  readonly #engine: TranslationEngine;
  readonly #state: Readonly<PagingState>;
  readonly #forgotten: Flush;

  constructor(engine: TranslationEngine, state: Readonly<PagingState>, forgotten: Flush) {
    this.#engine = engine;
    this.#state = state;
    this.#forgotten = forgotten;
  }

  get refusal(): Refusal {
    return this.#engine.refusal;
  }

  get errorCode(): number {
    return this.#engine.errorCode;
  }

  get guestPhysicalAddress(): number {
    return this.#engine.guestPhysicalAddress;
  }

  hit(high: number, low: number, access: number): number {
    return this.#engine.hit(high, low, access);
  }

  translate(high: number, low: number, access: number): number {
    return this.#engine.translate(high, low, access);
  }

  translateRun(high: number, lows: Int32Array, from: number, count: number, access: number, to: Int32Array): number {
    return this.#engine.translateRun(high, lows, from, count, access, to);
  }

  controlChanged(previous: Readonly<PagingState>, keep: boolean): void {
    const unheard = this.#forgotten === "CR4.PGE" ? CR4_PGE : this.#forgotten === "CR4.PCIDE" ? CR4_PCIDE : 0;
    const now = this.#state.cr4;
    const isUnheard = ((previous.cr4 ^ now) & unheard) !== 0 || this.#forgotten === "MOV CR3";
    this.#engine.controlChanged({ ...previous, cr4: (previous.cr4 & ~unheard) | (now & unheard) }, keep || isUnheard);
  }

  invalidatePage(high: number, low: number): void {
    if (this.#forgotten !== "INVLPG") this.#engine.invalidatePage(high, low);
  }

  invalidatePcid(type: 0 | 1 | 2 | 3, pcid: number, high: number, low: number): void {
    if (this.#forgotten !== `INVPCID ${type}`) this.#engine.invalidatePcid(type, pcid, high, low);
  }

  guestMapChanged(firstPage: number, pageCount: number): void {
    if (this.#forgotten !== "the guest's map") this.#engine.guestMapChanged(firstPage, pageCount);
  }

  synchronizeFlags(): void {
    this.#engine.synchronizeFlags();
  }

  counters(): Readonly<Record<string, number>> {
    return this.#engine.counters();
  }
}
