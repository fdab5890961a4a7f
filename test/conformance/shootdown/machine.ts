import { MAX_PHYSICAL_ADDRESS_BITS } from "../../../src/hypervisor/frame-map.ts";
import type { TranslationEngine } from "../../../src/hypervisor/translation/engine.ts";
import {
  FLUSH_ALL_ADDRESS_SPACES,
  FlushCalls,
  ShadowEngine,
  ShadowPageTables,
} from "../../../src/hypervisor/translation/shadow/index.ts";
import { TlbEngine } from "../../../src/hypervisor/translation/tlb-engine.ts";
import { ACCESS_WRITE, CR4_PCIDE, type PagingState } from "../../../src/paging/index.ts";
import { GuestMachine, leafAt, longMode, pte, tableChain } from "../../hypervisor/shadow-guest.ts";
import { ABSENT, edited, FIRST_READ_ONLY, FIRST_WRITABLE, REFUSED, SECOND_READ_ONLY } from "./allowed-translations.ts";
import {
  ALL_SPACES,
  FLUSH_LIST,
  FLUSH_SPACE,
  INVLPG,
  INVPCID,
  isAccess,
  isEdit,
  MOV_CR3,
  PAGES,
  SPACES,
  type Step,
  WRITE,
} from "./step.ts";

const PAGE = 4096;
const ROOTS = [1, 11];
/** First frames of the pages; second ones come next. */
const FRAMES = 0x100;
/** A page that nobody edits: a processor that accesses it has taken all word that was left for it. */
const BYSTANDER = 5;

const PRESENT = 1;
const WRITABLE = 2;
const TOUCHED = 0x60;

/** Which machine the steps are made on. */
export interface MachineKind {
  readonly engine: "shadow" | "tlb";
  readonly processors: number;
  /** CR4.PCIDE; the two spaces have two identifiers. */
  readonly identifiers: boolean;
  /** Whether the guest's entries have accessed and dirty set from the start, so that neighbours are filled ahead. */
  readonly touched: boolean;
}

/** The processors' engines as they tell when they run; all else is theirs. */
class WatchedShadowEngine extends ShadowEngine {
  runs = 0;

  protected override catchUp(): void {
    this.runs++;
    super.catchUp();
  }

  protected override miss(high: number, low: number, access: number): number {
    this.runs++;
    return super.miss(high, low, access);
  }
}

class WatchedTlbEngine extends TlbEngine {
  runs = 0;

  protected override catchUp(): void {
    this.runs++;
    super.catchUp();
  }

  protected override miss(high: number, low: number, access: number): number {
    this.runs++;
    return super.miss(high, low, access);
  }
}

/** Processors of one partition, and the steps made on them. */
export class ShootdownMachine {
  readonly kind: MachineKind;
  /** Times that an engine ran though its processor did not translate. */
  wakes = 0;
  readonly engines: readonly (TranslationEngine & { readonly runs: number })[];
  /** With shadow tables. */
  readonly tables: ShadowPageTables | null;
  readonly calls: FlushCalls | null;
  readonly #states: PagingState[];
  readonly #memory = new GuestMachine(FRAMES + 64);
  readonly #values = new Uint8Array(SPACES * PAGES);
  /** Where each page's entry lies, and its first frame. */
  readonly #words: number[] = [];
  readonly #firstFrames: number[] = [];
  readonly #leafFlags: number;

  /** @param flaw changes the tables before any processor knows them */
  constructor(kind: MachineKind, flaw: (tables: ShadowPageTables) => void = () => {}) {
    this.kind = kind;
    const memory = this.#memory;
    for (const [space, root] of ROOTS.entries()) {
      tableChain(memory, root);
      memory.setEntry(leafAt(root, BYSTANDER), pte(FRAMES + 32 + space, 0x67n));
      for (let page = 0; page < PAGES; page++) {
        this.#words.push(memory.spa(leafAt(root, page)) / 4);
        this.#firstFrames.push(memory.spa((FRAMES + (space * PAGES + page) * 2) * PAGE));
      }
    }
    this.#leafFlags = kind.touched ? TOUCHED : 0;
    this.#states = Array.from({ length: kind.processors }, () => {
      const state = longMode(ROOTS[0]!);
      if (kind.identifiers) state.cr4 |= CR4_PCIDE;
      return { ...state, cr3: this.#cr3(0) };
    });
    if (kind.engine === "shadow") {
      const tables = new ShadowPageTables({ frames: memory, processors: kind.processors });
      flaw(tables);
      this.tables = tables;
      this.calls = new FlushCalls(tables, MAX_PHYSICAL_ADDRESS_BITS);
      this.engines = this.#states.map((state, processor) => new WatchedShadowEngine({ tables, processor, state }));
    } else {
      this.tables = this.calls = null;
      const options = { frames: memory, maxPhysicalAddressBits: MAX_PHYSICAL_ADDRESS_BITS, setFlags: true };
      this.engines = this.#states.map((state) => new WatchedTlbEngine({ ...options, state }));
    }
  }

  /** Everything is mapped to its first frame, writable, and nothing is remembered; all are in the first space. */
  reset(): void {
    for (let place = 0; place < this.#values.length; place++) this.#set(place, ABSENT);
    // Without entries of the guest, none survives in the shadow tables, once each has been looked for.
    if (this.tables !== null)
      for (let space = SPACES - 1; space >= 0; space--) {
        this.#load(0, space, false);
        this.engines[0]!.translate(0, 0, 0);
      }
    for (let place = 0; place < this.#values.length; place++) this.#set(place, FIRST_WRITABLE);
    for (const [processor, engine] of this.engines.entries()) {
      if (this.#spaceOf(processor) !== 0) this.#load(processor, 0, true);
      engine.invalidatePcid(2, 0, 0, 0);
    }
    for (const engine of this.engines) engine.translate(0, BYSTANDER * PAGE, 0);
  }

  /** @returns of an access, REFUSED or the number of the frame it came to; -1 for one that is neither */
  perform(step: Step): number {
    const before = this.#othersRuns(step);
    const outcome = isAccess(step) ? this.#access(step) : this.#change(step);
    if (this.#othersRuns(step) !== before) this.wakes++;
    return outcome;
  }

  #access({ does, processor, page }: Step): number {
    const engine = this.engines[processor]!;
    const at = engine.translate(0, page * PAGE, does === WRITE ? ACCESS_WRITE : 0);
    if (at < 0) return REFUSED;
    const space = this.#spaceOf(processor);
    const frame = (at - this.#firstFrames[space * PAGES + page]!) / PAGE + 1;
    return frame === 1 || frame === 2 ? frame : -1;
  }

  #change(step: Step): number {
    const { does, processor, space, page } = step;
    const engine = this.engines[processor]!;
    if (isEdit(step)) this.#set(space * PAGES + page, edited(this.#values[space * PAGES + page]!, does));
    else if (does === INVLPG) engine.invalidatePage(0, page * PAGE);
    else if (does === MOV_CR3) this.#load(processor, space, false);
    else if (does === INVPCID) engine.invalidatePcid(space === ALL_SPACES ? 2 : 1, this.#pcid(space), 0, 0);
    else if (does === FLUSH_SPACE) this.calls!.flushAddressSpace(this.#target(step));
    else if (does === FLUSH_LIST)
      this.calls!.flushAddressList(this.#target(step), [BigInt(page * PAGE + step.pages - 1)]);
    else this.#load(processor, space, true);
    return 0;
  }

  #target({ space, mask }: Step) {
    const all = space === ALL_SPACES;
    return {
      addressSpace: all ? 0n : BigInt(this.#cr3(space)),
      flags: all ? FLUSH_ALL_ADDRESS_SPACES : 0,
      processors: BigInt(mask),
    };
  }

  #set(place: number, value: number): void {
    this.#values[place] = value;
    const word = this.#words[place]!;
    const space = Math.floor(place / PAGES);
    const frame = FRAMES + (space * PAGES + (place % PAGES)) * 2 + (value > FIRST_READ_ONLY ? 1 : 0);
    const rights = value === FIRST_READ_ONLY || value === SECOND_READ_ONLY ? 0 : WRITABLE;
    this.#memory.words[word] = value === ABSENT ? 0 : (frame << 12) | PRESENT | rights | this.#leafFlags;
  }

  #load(processor: number, space: number, keep: boolean): void {
    const state = this.#states[processor]!;
    const previous = { ...state };
    state.cr3 = this.#cr3(space);
    this.engines[processor]!.controlChanged(previous, keep);
  }

  #pcid(space: number): number {
    return this.kind.identifiers && space !== ALL_SPACES ? space + 1 : 0;
  }

  #cr3(space: number): number {
    return ROOTS[space]! * PAGE + this.#pcid(space);
  }

  #spaceOf(processor: number): number {
    return this.#states[processor]!.cr3 < ROOTS[1]! * PAGE ? 0 : 1;
  }

  /** How often engines have run, that of the processor which translates apart. */
  #othersRuns(step: Step): number {
    const translating = isAccess(step) ? step.processor : -1;
    let runs = 0;
    for (let processor = 0; processor < this.engines.length; processor++)
      if (processor !== translating) runs += this.engines[processor]!.runs;
    return runs;
  }
}
