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

interface WatchOptions {
  /** 100 ns between two audits; null: the hypervisor does not audit itself. */
  readonly auditEvery: number | null;
  /** What the hypervisor is to do wrong, and when, in 100 ns of the host's clock; null: nothing. */
  readonly fault: { readonly at: number; readonly kind: FaultKind; readonly seed: number } | null;
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
    fault: hypervisorFault
      ? { kind: hypervisorFault.kind, at: now + hypervisorFault.at * TICKS_PER_SECOND, seed }
      : null,
    now,
  };
}

/** What happens to the hypervisor itself by the host's clock: the fault that a scenario asks for, and audits. */
export class HypervisorWatch {
  readonly #hypervisor: Hypervisor;
  readonly #auditEvery: number | null;
  #fault: WatchOptions["fault"];
  /** The fault, as long as it has not struck, and when another variant of it is to wait in its place. */
  #waiting: { readonly fault: InjectedFault; readonly until: number } | null = null;
  #nextAudit: number;
  #audits = 0;

  constructor(hypervisor: Hypervisor, { auditEvery, fault, now }: WatchOptions) {
    this.#hypervisor = hypervisor;
    this.#auditEvery = auditEvery;
    this.#fault = fault;
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
    return this.#fault?.at ?? this.#waiting?.until ?? Number.POSITIVE_INFINITY;
  }

  #stepFault(): void {
    const now = this.#nextOfFault;
    if (this.#fault !== null) {
      const { kind, seed } = this.#fault;
      this.#fault = null;
      this.#waitWith(this.#hypervisor.injectFault({ kind, seed }), now);
    } else if (this.#waiting !== null) {
      const { fault } = this.#waiting;
      fault.giveWay();
      this.#waitWith(fault, now);
    }
  }

  #waitWith(fault: InjectedFault, now: number): void {
    this.#waiting = fault.struck === null ? { fault, until: now + OCCASION_SECONDS * TICKS_PER_SECOND } : null;
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
