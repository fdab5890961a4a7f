import type { FlushCalls, FlushTarget, ShadowPageTables } from "../../../src/hypervisor/translation/shadow/index.ts";
import { ShootdownMachine } from "./machine.ts";
import { FLUSH_LIST, FLUSH_SPACE, INVLPG, isAccess, MOV_CR3, type Step, SWITCH } from "./step.ts";

type ChangeTables = (tables: ShadowPageTables) => void;
type ChangeCalls = (calls: FlushCalls, tables: ShadowPageTables) => void;

/** One way each to get a shoot-down wrong. */
export interface Flaw {
  readonly rule: string;
  /** In the tables, before a processor knows them. */
  readonly tables?: ChangeTables;
  /** In the hypercalls. */
  readonly calls?: ChangeCalls;
  /** In what reaches the machine: from a reset on, the steps that are made in place of one. */
  readonly steps?: () => (step: Step) => readonly Step[];
}

const PAGE = 4096n;

/** The tables' processors, except for one who gets no word of anything. */
function forgotten(processor: number): ChangeTables {
  return ({ shootdown }) => {
    const { one, range } = shootdown;
    shootdown.one = (to) => to !== processor && one.call(shootdown, to);
    shootdown.range = (to, pages) => to !== processor && range.call(shootdown, to, pages);
  };
}

/** Flushes a target other than the one that was asked for. */
function otherTarget(change: (target: FlushTarget) => FlushTarget): ChangeCalls {
  return (calls) => {
    const { flushAddressSpace, flushAddressList } = calls;
    calls.flushAddressSpace = (target) => flushAddressSpace.call(calls, change(target));
    calls.flushAddressList = (target, list) => flushAddressList.call(calls, change(target), list);
  };
}

const without = (processor: number) => (target: FlushTarget) => ({
  ...target,
  processors: target.processors & ~(1n << BigInt(processor)) || 0x80n,
});

export const FLAWS: readonly Flaw[] = [
  { rule: "the first processor gets word", tables: forgotten(0) },
  { rule: "the second processor gets word", tables: forgotten(1) },
  {
    rule: "a processor whose TLB would hit takes its word first",
    tables: ({ shootdown }) => {
      shootdown.onWord = () => {};
    },
  },
  {
    rule: "a list's word reaches processors",
    tables: ({ shootdown }) => {
      shootdown.range = () => {};
    },
  },
  {
    rule: "a list's word names all its pages",
    tables: ({ shootdown }) => {
      const { range } = shootdown;
      shootdown.range = (to, { high, low }) => range.call(shootdown, to, { high, low, pages: 1 });
    },
  },
  {
    rule: "word is kept until it is taken",
    tables: ({ shootdown }) => {
      const { take } = shootdown;
      shootdown.take = (processor) => take.call(shootdown, processor)?.slice(-1) ?? null;
    },
  },
  {
    rule: "a flush of a space reaches the shadow tables",
    tables: (tables) => {
      tables.flushes.space = () => {};
    },
  },
  {
    rule: "a flush of a list reaches the shadow tables",
    tables: (tables) => {
      tables.flushes.pageIn = () => {};
    },
  },
  {
    rule: "a flush of everything reaches the shadow tables",
    tables: (tables) => {
      tables.flushes.all = () => {};
    },
  },
  {
    rule: "INVLPG reaches the shadow tables",
    tables: (tables) => {
      tables.flushes.page = () => {};
    },
  },
  {
    rule: "a fault forgets what was remembered of its page",
    tables: (tables) => {
      tables.flushes.forgetFaulted = () => {};
    },
  },
  {
    rule: "a list's last page is flushed",
    calls: (calls) => {
      const { flushAddressList } = calls;
      calls.flushAddressList = (target, list) =>
        flushAddressList.call(
          calls,
          target,
          list.map((entry) => (entry % PAGE > 0n ? entry - 1n : entry)),
        );
    },
  },
  {
    rule: "a list's first page is flushed",
    calls: (calls) => {
      const { flushAddressList } = calls;
      calls.flushAddressList = (target, list) =>
        flushAddressList.call(
          calls,
          target,
          list.map((entry) => (entry % PAGE > 0n ? entry + PAGE - 1n : entry)),
        );
    },
  },
  { rule: "the mask's first processor is flushed", calls: otherTarget(without(0)) },
  { rule: "the mask's second processor is flushed", calls: otherTarget(without(1)) },
  {
    rule: "a flush of all spaces flushes more than the first",
    calls: otherTarget((target) => (target.flags === 0 ? target : { ...target, flags: 0, addressSpace: 0x1000n })),
  },
  {
    rule: "a space is flushed though no processor is in it",
    calls: (calls, tables) => {
      const isActive = ({ addressSpace, flags }: FlushTarget) =>
        flags !== 0 || [...tables.spaces].some(({ tag, processors }) => BigInt(tag) === addressSpace && processors > 0);
      const { flushAddressSpace, flushAddressList } = calls;
      calls.flushAddressSpace = (target) => (isActive(target) ? flushAddressSpace.call(calls, target) : "done");
      calls.flushAddressList = (target, list) =>
        isActive(target) ? flushAddressList.call(calls, target, list) : { status: "done", done: list.length };
    },
  },
  { rule: "a hypercall is done when it returns", steps: late },
  { rule: "MOV CR3 flushes", steps: () => (step) => (step.does === MOV_CR3 ? [{ ...step, does: SWITCH }] : [step]) },
  { rule: "INVLPG flushes", steps: () => (step) => (step.does === INVLPG ? [] : [step]) },
  {
    rule: "INVLPG flushes the page it names",
    steps: () => (step) => [step.does === INVLPG ? { ...step, page: 1 - step.page } : step],
  },
];

/** Hypercalls that happen only after the next access. */
function late(): (step: Step) => readonly Step[] {
  let owed: Step[] = [];
  return (step) => {
    if (step.does === FLUSH_SPACE || step.does === FLUSH_LIST) {
      owed.push(step);
      return [];
    }
    const all = [step, ...owed];
    if (isAccess(step)) owed = [];
    return isAccess(step) ? all : [step];
  };
}

/** The machine with one flaw. */
export class FlawedMachine extends ShootdownMachine {
  readonly #flaw: Flaw;
  #inPlaceOf: ((step: Step) => readonly Step[]) | undefined;

  constructor(kind: ConstructorParameters<typeof ShootdownMachine>[0], flaw: Flaw) {
    super(kind, flaw.tables);
    this.#flaw = flaw;
    if (this.calls !== null) flaw.calls?.(this.calls, this.tables!);
  }

  override reset(): void {
    super.reset();
    this.#inPlaceOf = this.#flaw.steps?.();
  }

  override perform(step: Step): number {
    if (this.#inPlaceOf === undefined) return super.perform(step);
    const [first, ...rest] = this.#inPlaceOf(step);
    const outcome = first === undefined ? 0 : super.perform(first);
    for (const owed of rest) super.perform(owed);
    return outcome;
  }
}
