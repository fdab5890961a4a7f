import { hex, joinAddress } from "../../binary/index.ts";
import {
  ACCESS_FETCH,
  ACCESS_WRITE,
  CR0_PG,
  CR0_WP,
  CR4_LA57,
  CR4_PAE,
  CR4_PKE,
  CR4_SMAP,
  CR4_SMEP,
  EFER_LME,
  EFER_NXE,
  ENTRY_LARGE,
  ENTRY_PRESENT,
  PageWalker,
  type PagingState,
  tableIndex,
} from "../../paging/index.ts";
import { MAP_EXECUTE, MAP_READ, MAP_WRITE } from "../frame-map.ts";
import { ENGINES, PARTITION_WORDS, type PartitionState, wordAt, wordsOf } from "../state/index.ts";
import { FLUSH_ALL } from "../translation/flush-journal.ts";
import { ROLE_NXE, ROLE_SMAP, ROLE_SMEP, ROLE_WP, ROLES } from "../translation/shadow/role.ts";
import { type Flush, takesProcessor, takesSpace } from "./flush-audit.ts";
import type { GuestWords } from "./guest-words.ts";
import type { CorruptionKind, Findings } from "./report.ts";
import type { TableTimes } from "./table-times.ts";

const SLOT = PARTITION_WORDS.tlbSlots;
const SLOT_WORDS = wordsOf(SLOT);
const CONTEXT = wordAt(SLOT, "context");
const HIGH = wordAt(SLOT, "high");
const LOW = wordAt(SLOT, "low");
const ADDRESS = wordAt(SLOT, "address");
const ACCESS = wordAt(SLOT, "access");

const ADDRESS_HIGH = 0xf_ffff;
const PAGE = 4096;

type Context = PartitionState["contexts"][number];

/**
 * Whether what a processor's TLB holds is what its guest's tables give, or gave after the last flush that was for it; what
 * the processor was told to forget before it translates again counts as forgotten.
 */
export class TlbAudit {
  readonly #state: PartitionState;
  readonly #map: Int32Array;
  readonly #guest: GuestWords;
  readonly #times: TableTimes;
  readonly #findings: Findings;
  readonly #walker: PageWalker;
  /** By host frame, whether a guest frame leads there. */
  readonly #mapped: Uint8Array;
  readonly #lost = new Set<Context>();

  constructor(state: PartitionState, map: Int32Array, guest: GuestWords, times: TableTimes, findings: Findings) {
    this.#state = state;
    this.#map = map;
    this.#guest = guest;
    this.#times = times;
    this.#findings = findings;
    const { maxPhysicalAddressBits } = state.partition[0]!;
    this.#walker = new PageWalker(guest, { maxPhysicalAddressBits, setFlags: false });
    const end = state.map.reduce((most, { hostFrame, count }) => Math.max(most, hostFrame + count), 0);
    this.#mapped = new Uint8Array(end);
    for (const { hostFrame, count } of state.map) this.#mapped.fill(1, hostFrame, hostFrame + count);
  }

  run(): void {
    const { tlbSlots, contexts } = this.#state;
    this.#findings.checked.tlbSlots += tlbSlots.length / SLOT_WORDS;
    const flushOf = contexts.map((context) => this.#wholeFlush(context));
    for (let slot = 0; slot < tlbSlots.length; slot += SLOT_WORDS) {
      const number = tlbSlots[slot + CONTEXT]!;
      const context = contexts[number]!;
      if (this.#isForgotten(context, tlbSlots[slot + LOW]!)) continue;
      const flush = flushOf[number];
      if (flush !== undefined && context.bornAt < flush.serial) this.#survived(slot, context, flush);
      else this.#slot(slot, context);
    }
  }

  /** The last flush on record that took everything of a context. */
  #wholeFlush(context: Context): Flush | undefined {
    const takes = (flush: Flush) =>
      flush.pages === 0 &&
      takesProcessor(flush, context.processor) &&
      (context.pcid < 0 ? flush.scope === FLUSH_ALL : takesSpace(flush, context.tag, context.pcid));
    return this.#state.flushes.filter(takes).at(-1);
  }

  #isForgotten({ processor }: Context, low: number): boolean {
    if (this.#state.processors[processor]!.forgetsEverything === 1) return true;
    return this.#state.words.some(
      (word) => word.processor === processor && (low - (word.low | 0)) >>> 0 < word.pages * PAGE,
    );
  }

  /** One report for each context: all its slots have survived. */
  #survived(slot: number, context: Context, flush: Flush): void {
    if (this.#lost.has(context)) return;
    this.#lost.add(context);
    this.#corrupt(
      "lost-flush",
      slot,
      context,
      `nothing that is older than flush ${flush.serial}`,
      `translations since flush ${context.bornAt}`,
      "has survived a flush of its address space",
    );
  }

  #slot(slot: number, context: Context): void {
    const address = this.#state.tlbSlots[slot + ADDRESS]!;
    if (this.#mapped[address >>> 12] !== 1) {
      this.#corrupt(
        "wrong-frame",
        slot,
        context,
        "a host frame of the partition",
        frameText(address),
        "leads out of its partition",
      );
      return;
    }
    const states = this.#statesOf(context);
    if (states.length === 0) {
      this.#findings.skip("TLB entries of address spaces that are not active");
      return;
    }
    this.#guest.absent = 0;
    if (states.some((state) => this.#gives(state, slot))) return;
    if (this.#guest.absent > 0) this.#findings.skip("TLB entries whose guest tables are not in the dump");
    else this.#unexplained(slot, context, states);
  }

  /** The control registers under which a context's translations were made; for global pages, in each known address space. */
  #statesOf({ processor, tag, pcid, control }: Context): PagingState[] {
    const { cr0, cr3, cr4, efer } = this.#state.processors[processor]!;
    if (control < 0) {
      const own = pcid < 0 || tag !== 0 ? [cr3] : [];
      return own.map((root) => ({ cr0, cr3: root, cr4: cr4 & ~CR4_PKE, efer, pkru: 0 }));
    }
    const role = control % ROLES;
    const levels = Math.floor(control / ROLES);
    const state = {
      cr0: CR0_PG | ((role & ROLE_WP) !== 0 ? CR0_WP : 0),
      cr4:
        CR4_PAE |
        (levels === 5 ? CR4_LA57 : 0) |
        ((role & ROLE_SMEP) !== 0 ? CR4_SMEP : 0) |
        ((role & ROLE_SMAP) !== 0 ? CR4_SMAP : 0),
      efer: EFER_LME | ((role & ROLE_NXE) !== 0 ? EFER_NXE : 0),
      pkru: 0,
    };
    const tags = pcid < 0 ? this.#state.spaces.map((space) => space.tag) : [tag];
    return tags.map((cr3) => ({ ...state, cr3 }));
  }

  /** Whether the guest's tables as they stand give what the slot holds. Protection keys are not asked: PKRU changes unseen. */
  #gives(state: PagingState, slot: number): boolean {
    const { tlbSlots } = this.#state;
    const access = tlbSlots[slot + ACCESS]!;
    if (!this.#walker.walk(state, tlbSlots[slot + HIGH]!, tlbSlots[slot + LOW]!, access)) return false;
    const mapped = this.#map[Math.floor(this.#walker.physicalAddress / PAGE)] ?? 0;
    const right = (access & ACCESS_FETCH) !== 0 ? MAP_EXECUTE : (access & ACCESS_WRITE) !== 0 ? MAP_WRITE : MAP_READ;
    return (mapped & right) !== 0 && mapped >>> 12 === tlbSlots[slot + ADDRESS]! >>> 12;
  }

  #unexplained(slot: number, context: Context, states: readonly PagingState[]): void {
    if (ENGINES[this.#state.partition[0]!.engine] !== "shadow") {
      this.#findings.skip("TLB entries of tables whose writes are not seen");
      return;
    }
    const flush = this.#lastFlush(slot, context);
    const since = Math.max(flush?.serial ?? 0, context.since);
    let last = 0;
    for (const state of states) {
      const written = this.#lastWrite(slot, state);
      if (typeof written === "string") {
        this.#findings.skip(written);
        return;
      }
      if (written > since) return;
      last = Math.max(last, written);
    }
    const lost = flush !== undefined && last > context.since;
    this.#corrupt(
      lost ? "lost-flush" : "wrong-frame",
      slot,
      context,
      this.#expected(slot, states),
      frameText(this.#state.tlbSlots[slot + ADDRESS]!),
      lost ? "has survived its flush" : "leads where the guest's tables have not led since its last flush",
    );
  }

  /** The last flush on record that took the slot from this processor. */
  #lastFlush(slot: number, { processor, tag, pcid }: Context): Flush | undefined {
    const page = joinAddress(this.#state.tlbSlots[slot + HIGH]!, this.#state.tlbSlots[slot + LOW]!);
    const takes = (flush: Flush) => {
      if (!takesProcessor(flush, processor)) return false;
      const first = joinAddress(flush.high, flush.low);
      const here = flush.pages === 0 || (page >= first && page < first + BigInt(flush.pages * PAGE));
      return here && (pcid < 0 ? flush.scope === FLUSH_ALL : takesSpace(flush, tag, pcid));
    };
    return this.#state.flushes.filter(takes).at(-1);
  }

  /** When any entry on the way to the slot's address was last written; a reason, where that is not known. */
  #lastWrite(slot: number, state: PagingState): number | string {
    const { tlbSlots } = this.#state;
    const high = tlbSlots[slot + HIGH]!;
    const low = tlbSlots[slot + LOW]!;
    let table = state.cr3 - (state.cr3 % PAGE);
    let last = 0;
    for (let level = (state.cr4 & CR4_LA57) !== 0 ? 5 : 4; level > 0; level--) {
      const index = tableIndex(level, high, low);
      const written = this.#times.lastWrite(table / PAGE, index);
      if (typeof written === "string") return written;
      last = Math.max(last, written);
      const entryLow = this.#guest.readWord(table + index * 8);
      if ((entryLow & ENTRY_PRESENT) === 0 || (level > 1 && (entryLow & ENTRY_LARGE) !== 0)) break;
      table = (this.#guest.readWord(table + index * 8 + 4) & ADDRESS_HIGH) * 2 ** 32 + ((entryLow & ~0xfff) >>> 0);
    }
    return last;
  }

  #expected(slot: number, states: readonly PagingState[]): string {
    const { tlbSlots } = this.#state;
    const permitted = this.#walker.walk(
      states[0]!,
      tlbSlots[slot + HIGH]!,
      tlbSlots[slot + LOW]!,
      tlbSlots[slot + ACCESS]!,
    );
    if (!permitted) return "no translation for this access";
    return frameText(this.#map[Math.floor(this.#walker.physicalAddress / PAGE)] ?? 0);
  }

  #corrupt(kind: CorruptionKind, slot: number, context: Context, expected: string, found: string, what: string): void {
    const { tlbSlots, name } = this.#state;
    const { processor, tag, pcid } = context;
    const address = hex(joinAddress(tlbSlots[slot + HIGH]!, tlbSlots[slot + LOW]!));
    const hostFrame = tlbSlots[slot + ADDRESS]! >>> 12;
    const page = this.#map.findIndex((entry) => entry !== 0 && entry >>> 12 === hostFrame);
    this.#findings.corrupt(
      kind,
      {
        partition: name,
        processor,
        addressSpace: pcid < 0 ? null : hex(tag),
        linearAddress: address,
        guestPhysicalAddress: page < 0 ? null : hex(page * PAGE),
        hostFrame,
      },
      expected,
      found,
      `the TLB entry for ${address} of processor ${processor} of ${name} ${what}`,
    );
  }
}

function frameText(address: number): string {
  return address === 0 ? "no memory" : `host frame ${hex(address >>> 12)}`;
}
