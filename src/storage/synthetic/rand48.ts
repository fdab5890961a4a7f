const HALF = 2 ** 24;
const MULTIPLIER_HIGH = 0x5de;
const MULTIPLIER_LOW = 0xece66d;
const INCREMENT = 0xb;
const SEED_LOW = 0x330e;

/**
 * The `drand48` of POSIX, by which a workload that somebody else has run can be had again, request by request.
 * Source: POSIX.1-2017, drand48: X' = (0x5DEECE66D X + 0xB) mod 2^48, seeded with the upper 32 bits.
 */
export class Rand48 {
  /** The upper and the lower 24 bits of X. */
  #high = 0;
  #low = 0;

  constructor(seed: number) {
    this.seed(seed);
  }

  /** `srand48`. */
  seed(seed: number): void {
    this.#high = Math.floor((seed >>> 0) / 0x100);
    this.#low = ((seed & 0xff) << 16) | SEED_LOW;
  }

  /** A number from 0 to below 1. */
  next(): number {
    const low = this.#low * MULTIPLIER_LOW + INCREMENT;
    const high = this.#high * MULTIPLIER_LOW + this.#low * MULTIPLIER_HIGH + Math.floor(low / HALF);
    this.#low = low % HALF;
    this.#high = high % HALF;
    return (this.#high * HALF + this.#low) / 2 ** 48;
  }
}
