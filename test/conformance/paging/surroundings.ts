import { CachingEngine } from "../../../src/hypervisor/translation/physical-tlb.ts";
import { EngineSubject } from "./engine-subject.ts";
import { type Invalidation, invalidationsOf } from "./invalidation.ts";
import type { Subject } from "./subject.ts";

/**
 * What goes on around each case of access.c. The first is the ordinary one, and is run with all combinations; the others are
 * what kvm-unit-tests' vmx.c does with it (paging.md A3: vmx_pf_vpid, vmx_pf_invvpid, vmx_pf_no_vpid), and are run with every
 * `stride`th combination, each beginning with another one.
 */
export interface Surroundings {
  readonly name: string;
  /** What the guest does when it has changed its tables. Null: nothing, since its machine was entered with an empty TLB. */
  readonly invalidation: Invalidation | null;
  /** A neighbour runs between cases, on the same TLB. */
  readonly neighbour: boolean;
  /** The TLB keeps nothing when it goes from one machine to the other. */
  readonly flushedAtSwitch: boolean;
  readonly stride: number;
}

/**
 * Of engines that remember translations, and take longer; the others have time for all combinations. It has no factor in common
 * with the counts of choices, so that all of them come by; and the shadow engine has nine other surroundings, so that it meets
 * each combination in one of them at least.
 */
const STRIDE = 7;

/** Surroundings that a subject can have: a bare walker is no machine, and has nothing to flush. */
export function surroundingsOf(subject: Subject): Surroundings[] {
  const ordinary = { invalidation: "INVLPG", flushedAtSwitch: false, stride: 1 } as const;
  if (!(subject instanceof EngineSubject)) return [{ name: "access", neighbour: false, ...ordinary }];
  const stride = subject.engine instanceof CachingEngine ? STRIDE : 1;
  const flushes = invalidationsOf(subject).filter((how) => how !== "INVLPG");
  return [
    { name: "access and vpid: a tagged TLB, INVLPG", neighbour: true, ...ordinary },
    ...flushes.map((invalidation) => ({
      ...{ name: `invvpid: ${invalidation}`, invalidation, neighbour: true, flushedAtSwitch: false, stride },
    })),
    {
      name: "no vpid: flushed at each switch",
      ...{ invalidation: null, neighbour: true, flushedAtSwitch: true, stride },
    },
  ];
}
