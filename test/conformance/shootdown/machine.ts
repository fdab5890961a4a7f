import { MAX_PHYSICAL_ADDRESS_BITS } from "../../../src/hypervisor/frame-map.ts";
import { MISSED } from "../../../src/hypervisor/translation/engine.ts";
import { emptyPhysicalTlb } from "../../../src/hypervisor/translation/physical-tlb.ts";
import { ENTRIES } from "../../../src/hypervisor/translation/shadow/entry.ts";
import {
  FLUSH_ALL_ADDRESS_SPACES,
  FlushCalls,
  ShadowPageTables,
} from "../../../src/hypervisor/translation/shadow/index.ts";
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
import { WatchedShadowEngine, WatchedTlbEngine } from "./watched-engines.ts";

const PAGE = 4096;
const ROOTS = [1, 11];
/** First frames of the pages; second ones come next. */
const FRAMES = 0x100;
/** A page that nobody edits, so it stands in the tables always. */
const BYSTANDER = 5;
/** So often the TLB starts anew: its names would run out within a sequence else, and it would be emptied there. */
const RESETS = 32;

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

/** Processors of one partition, and the steps made on them. */
export class ShootdownMachine {
  readonly kind: MachineKind;
  /** Times that an engine ran though its processor did not translate. */
  wakes = 0;
  readonly engines: readonly (WatchedShadowEngine | WatchedTlbEngine)[];
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
  readonly #shadowTables: number[] = [];
  #resets = 0;

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
    if (this.#resets++ % RESETS === 0) emptyPhysicalTlb();
    this.#forgetShadows();
    for (let place = 0; place < this.#values.length; place++) this.#set(place, FIRST_WRITABLE);
    for (const [processor, engine] of this.engines.entries()) {
      if (this.spaceOf(processor) !== 0) this.#load(processor, 0, true);
      engine.invalidatePcid(2, 0, 0, 0);
      for (const page of [...Array(PAGES).keys(), BYSTANDER]) engine.displace(page);
    }
    for (const processor of this.engines.keys()) this.touchBystander(processor);
  }

  /** Whatever is wrong with flushes, nothing of the sequence before is left; the shadow tables are there, and empty. */
  #forgetShadows(): void {
    if (this.tables === null) return;
    for (let space = SPACES - 1; space >= 0; space--) {
      this.#load(0, space, true);
      this.touchBystander(0);
    }
    // No flag of theirs is written then.
    for (let place = 0; place < this.#values.length; place++) this.#set(place, ABSENT);
    for (let place = 0; place < this.#values.length; place++)
      this.tables.pool.drop(this.shadowEntry(Math.floor(place / PAGES), place % PAGES));
  }

  /** @returns of an access, REFUSED or the number of the frame it came to; -1 for one that is neither */
  perform(step: Step): number {
    const before = this.#othersRuns(step);
    const outcome = isAccess(step) ? this.#access(step) : this.#change(step);
    if (this.#othersRuns(step) !== before) this.wakes++;
    return outcome;
  }

  /** An access to a page that stands: the processor has taken all word that was left for it then. */
  touchBystander(processor: number): void {
    this.engines[processor]!.translate(0, BYSTANDER * PAGE, 0);
  }

  displaceBystander(processor: number): void {
    this.engines[processor]!.displace(BYSTANDER);
  }

  /** The space that a processor is in. */
  spaceOf(processor: number): number {
    return this.#states[processor]!.cr3 < ROOTS[1]! * PAGE ? 0 : 1;
  }

  /** The lower half of the guest's entry. */
  guestEntry(space: number, page: number): number {
    return this.#memory.words[this.#words[space * PAGES + page]!]!;
  }

  /** What a processor's TLB has for an access in a space: 0 for nothing, or the number of the frame. */
  cached(processor: number, space: number, page: number, write: boolean): number {
    const { slots } = this.engines[processor]!;
    const slot = page * 2 + (write ? 1 : 0);
    const name = slots.names[slot]!;
    if (name === 0 || name !== this.#nameOf(processor, space)) return 0;
    return (slots.addresses[slot]! - this.#firstFrames[space * PAGES + page]!) / PAGE + 1;
  }

  /** Whether an access in the active space hits before anything is asked. */
  isAtHand(processor: number, page: number, write: boolean): boolean {
    return (this.engines[processor]!.hit(0, page * PAGE, write ? ACCESS_WRITE : 0) & MISSED) === 0;
  }

  /** The shadow entry of a page, by number: once there are shadow pages, these stay. */
  shadowEntry(space: number, page: number): number {
    this.#shadowTables[space] ??= this.tables!.pool.shadowsOf(ROOTS[space]! + 3)[0]!;
    return this.#shadowTables[space]! * ENTRIES + page;
  }

  /** Whether a space was flushed since its page table was last compared with the shadow of it. */
  isDoubtful(space: number, shadowEntry: number): boolean {
    const { pool, spaces } = this.tables!;
    return pool.validatedAt[Math.floor(shadowEntry / ENTRIES)]! < spaces.of(this.#cr3(space))!.flushedAt;
  }

  /** Under which name a processor's translations of a space lie; -1 for none. */
  #nameOf(processor: number, space: number): number {
    const cr3 = this.#cr3(space);
    for (const { number, tag, pcid } of this.engines[processor]!.contexts())
      if (this.kind.identifiers ? pcid === space + 1 : tag === cr3) return number;
    return -1;
  }

  #access({ does, processor, page }: Step): number {
    const engine = this.engines[processor]!;
    const at = engine.translate(0, page * PAGE, does === WRITE ? ACCESS_WRITE : 0);
    if (at < 0) return REFUSED;
    const space = this.spaceOf(processor);
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

  /** How often engines have run, that of the processor which translates apart. */
  #othersRuns(step: Step): number {
    const translating = isAccess(step) ? step.processor : -1;
    let runs = 0;
    for (let processor = 0; processor < this.engines.length; processor++)
      if (processor !== translating) runs += this.engines[processor]!.runs;
    return runs;
  }
}
