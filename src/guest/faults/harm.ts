import type { SpecialPool } from "../memory/special-pool.ts";
import { TICKS_PER_SECOND, type VirtualClock } from "../threads/virtual-clock.ts";

/** Memory that belongs to whoever a fault is the fault of. */
export interface OwnMemory {
  readonly address: bigint;
  readonly bytes: number;
}

/** What a fault has done up to now. */
export interface FaultHarm {
  /** Seconds from the start of the guest until something was wrong first. */
  readonly begunAtSeconds: number;
  /** Bytes of memory that are not the culprit's and have been changed, or given back to the pool from under who has them. */
  readonly bytesOfOthers: number;
}

/**
 * What a scenario's fault has done, as somebody knows it who looks from outside: when it began, and how much memory of others it has changed.
 * Nothing in the guest reads it, and it is not in the guest's memory.
 */
export class Harm {
  /** 100 ns since the start. */
  #begunAt: number | null = null;
  readonly #clock: VirtualClock;
  readonly #specialPool: () => SpecialPool | null;
  readonly #changed = new Set<bigint>();

  constructor(clock: VirtualClock, specialPool: () => SpecialPool | null) {
    this.#clock = clock;
    this.#specialPool = specialPool;
  }

  /** Each byte is counted once. Null: nothing has gone wrong yet. */
  get sum(): FaultHarm | null {
    if (this.#begunAt === null) return null;
    return { begunAtSeconds: this.#begunAt / TICKS_PER_SECOND, bytesOfOthers: this.#changed.size };
  }

  /** From now on something is wrong. Only the first time counts. */
  begins(): void {
    this.#begunAt ??= this.#clock.now;
  }

  /** Bytes have been written where they should not be. The rest of a block's page in special pool is nobody else's. */
  wrote(address: bigint, bytes: number, own: readonly OwnMemory[] = []): void {
    for (let at = address; at < address + BigInt(bytes); at++)
      if (!own.some((one) => this.#belongs(at, one))) this.#changed.add(at);
  }

  #belongs(at: bigint, { address, bytes }: OwnMemory): boolean {
    if (at >= address && at < address + BigInt(bytes)) return true;
    return at >> 12n === address >> 12n && this.#specialPool()?.contains(address) === true;
  }
}
