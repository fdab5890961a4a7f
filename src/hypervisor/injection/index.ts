import { StopcodeError } from "../../binary/index.ts";
import type { HostMemory } from "../host-memory.ts";
import type { Partition } from "../partition.ts";
import type { PageSharing } from "../sharing/index.ts";
import { frameCountedTwice, pageCountedTwice } from "./count-underflow.ts";
import { lostPageFlush, lostPageInTlb, lostSpaceFlush, lostWord } from "./lost-flush.ts";
import { type Armed, numbersOf, type Strike, type Struck } from "./occasion.ts";
import { shadowed } from "./shadow-entries.ts";
import { staleAfterComparison, staleAfterPageFlush } from "./stale-entry.ts";
import { wrongLeaf, wrongSlot } from "./wrong-frame.ts";

/** What the hypervisor can be made to do wrong. */
export const FAULT_KINDS = ["stale-entry", "lost-flush", "wrong-frame", "count-underflow"] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

export interface FaultOrder {
  readonly kind: FaultKind;
  /** Decides between the variants of a kind, and the place where there are several. */
  readonly seed: number;
}

/** A fault that was ordered; it strikes once, at the next occasion there is for it. */
export interface InjectedFault {
  readonly kind: FaultKind;
  readonly variant: string;
  /** Where it has struck; null before. */
  readonly struck: ({ readonly partition: string } & Strike) | null;
  /** Where it has found no occasion, another variant of its kind waits in its place from now on. */
  giveWay(): void;
}

/** What faults are made in. */
export interface FaultTarget {
  readonly partitions: readonly Partition[];
  readonly memory: HostMemory;
  readonly sharing: PageSharing;
}

type Below = (below: number) => number;
type StruckIn = (partition: string, strike: Partial<Strike>) => void;
type Arm = (target: FaultTarget, below: Below, struck: StruckIn) => readonly Armed[];

/** Arms a variant in each partition that translates by shadow tables. */
const each =
  (
    arm: (place: ReturnType<typeof shadowed>[number], target: FaultTarget, below: Below, struck: Struck) => Armed,
  ): Arm =>
  (target, below, struck) =>
    shadowed(target.partitions).map((place) =>
      arm(place, target, below, (strike) => struck(place.partition.name, strike)),
    );

/** The places where each kind can happen: none of them is in the books that an audit goes by. */
const VARIANTS: Readonly<Record<FaultKind, Readonly<Record<string, Arm>>>> = {
  "stale-entry": {
    "leaf after comparison": each(({ tables }, _, below, struck) => staleAfterComparison(tables, false, below, struck)),
    "link after comparison": each(({ tables }, _, below, struck) => staleAfterComparison(tables, true, below, struck)),
    "leaf after page flush": each(({ tables }, _, below, struck) => staleAfterPageFlush(tables, below, struck)),
  },
  "lost-flush": {
    "address space": each(({ tables }, _, _below, struck) => lostSpaceFlush(tables, struck)),
    page: each(({ tables }, _, _below, struck) => lostPageFlush(tables, struck)),
    "word to a processor": each(({ partition, tables }, _, _below, struck) => lostWord(partition, tables, struck)),
    "page in a TLB": each(({ partition, tables }, _, _below, struck) => lostPageInTlb(partition, tables, struck)),
  },
  "wrong-frame": {
    leaf: each(({ tables }, { memory }, below, struck) => wrongLeaf(tables, memory, false, below, struck)),
    neighbour: each(({ tables }, { memory }, below, struck) => wrongLeaf(tables, memory, true, below, struck)),
    "TLB slot": each(({ partition }, { memory }, below, struck) => wrongSlot(partition, memory, below, struck)),
  },
  "count-underflow": {
    "shared page": ({ sharing }, below, struck) => [pageCountedTwice(sharing, below, struck)],
    "shared frame": ({ sharing }, below, struck) => [frameCountedTwice(sharing, false, below, struck)],
    "buffer frame": ({ sharing }, below, struck) => [frameCountedTwice(sharing, true, below, struck)],
  },
};

/**
 * Makes the hypervisor do wrong once: the same seed, kind and machine give the same fault.
 * @throws StopcodeError `hypervisor/fault` for an unknown kind or a seed that is no whole number, and where no partition
 *   translates in a way that the fault could happen in
 */
export function injectFault(target: FaultTarget, { kind, seed }: FaultOrder): InjectedFault {
  if (!FAULT_KINDS.includes(kind) || !Number.isInteger(seed))
    throw new StopcodeError("hypervisor/fault", `there is no fault ${kind} of seed ${seed}`, {
      hint: `kinds: ${FAULT_KINDS.join(", ")}`,
    });
  return new WaitingFault(target, kind, numbersOf(seed));
}

class WaitingFault implements InjectedFault {
  readonly kind: FaultKind;
  struck: InjectedFault["struck"] = null;
  readonly #target: FaultTarget;
  readonly #below: Below;
  readonly #variants: readonly (readonly [string, Arm])[];
  #which: number;
  #armed: readonly Armed[] = [];

  constructor(target: FaultTarget, kind: FaultKind, below: Below) {
    this.kind = kind;
    this.#target = target;
    this.#below = below;
    this.#variants = Object.entries(VARIANTS[kind]);
    this.#which = below(this.#variants.length);
    this.#wait();
    if (this.#armed.length === 0)
      throw new StopcodeError(
        "hypervisor/fault",
        `no partition runs on shadow page tables, where ${kind} could happen`,
        {
          hint: "give a partition the engine shadow",
        },
      );
  }

  get variant(): string {
    return this.#variants[this.#which]![0];
  }

  giveWay(): void {
    if (this.struck !== null) return;
    this.#disarm();
    this.#which = (this.#which + 1) % this.#variants.length;
    this.#wait();
  }

  #wait(): void {
    const [, arm] = this.#variants[this.#which]!;
    this.#armed = arm(this.#target, this.#below, (partition, strike) => {
      this.struck = { partition, linearAddress: null, guestPhysicalAddress: null, ...strike };
      this.#disarm();
    });
  }

  #disarm(): void {
    for (const { disarm } of this.#armed) disarm();
  }
}
