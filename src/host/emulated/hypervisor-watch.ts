import { PAGE_SIZE } from "../../binary/index.ts";
import { TICKS_PER_SECOND } from "../../guest/index.ts";
import {
  CORRUPTION_KINDS,
  type Corruption,
  type FaultKind,
  type Hypervisor,
  type InjectedFault,
} from "../../hypervisor/index.ts";
import type { ArmedCheck } from "../host.ts";
import type { Scenario } from "./scenario/schema.ts";

/** The stop code of a hypervisor that finds its own state wrong. */
const HYPERVISOR_ERROR = 0x20001;

/** Seconds between two audits where the check is armed and the scenario does not say. */
const AUDIT_SECONDS = 1;

/** Seconds that one variant of a fault waits for its occasion; some workloads have none for it. */
const OCCASION_SECONDS = 1;

interface PlannedFault {
  readonly kind: FaultKind;
  /** By the host's clock, in 100 ns. */
  readonly at: number;
  /** 100 ns after which it comes again, once it has struck; null: it does not. */
  readonly every: number | null;
  readonly seed: number;
}

interface WatchOptions {
  /** 100 ns between two audits; null: the hypervisor does not audit itself. */
  readonly auditEvery: number | null;
  /** What the hypervisor is to do wrong; null: nothing. */
  readonly fault: PlannedFault | null;
  /** The host's clock when the watch begins. */
  readonly now: number;
}

/** What a scenario, and the checks armed for this start of the host, ask of the hypervisor. */
export function watchOf(
  { host, hypervisorFault }: Scenario,
  arm: readonly ArmedCheck[],
  now: number,
  seed: number,
): WatchOptions {
  const armed = arm.some(({ check }) => check === "hypervisor-audit");
  const seconds = host.audit ?? (armed ? AUDIT_SECONDS : null);
  return {
    auditEvery: seconds === null ? null : seconds * TICKS_PER_SECOND,
    fault: hypervisorFault ? planned(hypervisorFault, now, seed) : null,
    now,
  };
}

function planned(
  { kind, at, every }: NonNullable<Scenario["hypervisorFault"]>,
  now: number,
  seed: number,
): PlannedFault {
  return {
    kind,
    at: now + at * TICKS_PER_SECOND,
    every: every === undefined ? null : every * TICKS_PER_SECOND,
    seed,
  };
}

/** What happens to the hypervisor itself by the host's clock: the fault that a scenario asks for, and audits. */
export class HypervisorWatch {
  readonly #hypervisor: Hypervisor;
  readonly #auditEvery: number | null;
  /** The next that is to come. */
  #planned: PlannedFault | null;
  /** The one that has come, until it has struck, and when it is looked whether another variant of it is to wait in its place. */
  #waiting: { readonly fault: InjectedFault; readonly plan: PlannedFault; readonly until: number } | null = null;
  #nextAudit: number;
  #audits = 0;

  constructor(hypervisor: Hypervisor, { auditEvery, fault, now }: WatchOptions) {
    this.#hypervisor = hypervisor;
    this.#auditEvery = auditEvery;
    this.#planned = fault;
    this.#nextAudit = now + (auditEvery ?? Number.POSITIVE_INFINITY);
    if (auditEvery !== null) hypervisor.onDoubt(() => this.#audit());
  }

  get audits(): number {
    return this.#audits;
  }

  /** When the next thing is due, by the host's clock; Infinity when nothing is. */
  get next(): number {
    return Math.min(this.#nextOfFault, this.#nextAudit);
  }

  /** Lets happen what is due first. */
  step(): void {
    if (this.#nextOfFault <= this.#nextAudit) this.#stepFault();
    else if (this.#auditEvery !== null) {
      this.#nextAudit += this.#auditEvery;
      this.#audit();
    }
  }

  /** A partition has stopped: a hypervisor that audits itself asks at once whether the fault is its own. */
  partitionStopped(): void {
    if (this.#auditEvery !== null) this.#audit();
  }

  get #nextOfFault(): number {
    return this.#planned?.at ?? this.#waiting?.until ?? Number.POSITIVE_INFINITY;
  }

  #stepFault(): void {
    const now = this.#nextOfFault;
    if (this.#planned !== null) {
      const plan = this.#planned;
      this.#planned = null;
      this.#wait(this.#hypervisor.injectFault(plan), plan, now);
    } else if (this.#waiting !== null) {
      const { fault, plan } = this.#waiting;
      this.#waiting = null;
      if (fault.struck === null) {
        fault.giveWay();
        this.#wait(fault, plan, now);
      } else if (plan.every !== null) this.#planned = { ...plan, at: now + plan.every, seed: plan.seed + 1 };
    }
  }

  #wait(fault: InjectedFault, plan: PlannedFault, now: number): void {
    this.#waiting = { fault, plan, until: now + OCCASION_SECONDS * TICKS_PER_SECOND };
  }

  #audit(): void {
    this.#audits++;
    const [first] = this.#hypervisor.audit().corruptions;
    if (first === undefined) return;
    const partition = this.#hypervisor.partitions.findIndex(({ name }) => name === first.partition);
    this.#hypervisor.crash({ code: HYPERVISOR_ERROR, parameters: parametersOf(first, partition) });
  }
}

/** Kind (counted from 1), partition (from 0), linear address or else that of the host frame, guest physical address. */
function parametersOf(
  { kind, linearAddress, hostFrame, guestPhysicalAddress }: Corruption,
  partition: number,
): [bigint, bigint, bigint, bigint] {
  const address = linearAddress === null ? BigInt((hostFrame ?? 0) * PAGE_SIZE) : BigInt(linearAddress);
  return [
    BigInt(CORRUPTION_KINDS.indexOf(kind) + 1),
    BigInt.asUintN(64, BigInt(partition)),
    address,
    BigInt(guestPhysicalAddress ?? 0),
  ];
}
