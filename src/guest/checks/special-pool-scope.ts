import { poolTag } from "../memory/pool.ts";
import { type ArmedKernelCheck, isCheckedFor } from "./armed-checks.ts";

/** Checks that have blocks come from special pool. */
const ARMING = ["special-pool", "special-pool-start"] as const;

const BY_TAG = /^tag:(.{1,4})$/;
const BY_SIZE = /^size:(\d+)-(\d+)$/;

/**
 * Which blocks special pool is armed for: those of a driver, of all of them, those with a tag (`tag:Rcrd`), or those of a range of sizes in bytes
 * (`size:193-208`). Windows has the last two by one registry value, PoolTag.
 */
export class SpecialPoolScope {
  readonly #armed: readonly ArmedKernelCheck[];
  readonly #tags = new Set<number>();
  readonly #sizes: { readonly least: number; readonly most: number }[] = [];

  constructor(armed: readonly ArmedKernelCheck[]) {
    this.#armed = armed;
    for (const { check, target } of armed) {
      if (!(ARMING as readonly string[]).includes(check)) continue;
      const tag = BY_TAG.exec(target ?? "");
      const sizes = BY_SIZE.exec(target ?? "");
      if (tag !== null) this.#tags.add(poolTag(tag[1]!));
      if (sizes !== null) this.#sizes.push({ least: Number(sizes[1]), most: Number(sizes[2]) });
    }
  }

  /** A block of a driver, with its tag and its size, is to come from there. */
  covers(driver: string, tag: number, bytes: number): boolean {
    return (
      this.#tags.has(tag) ||
      this.#sizes.some(({ least, most }) => bytes >= least && bytes <= most) ||
      ARMING.some((check) => isCheckedFor(this.#armed, check, driver))
    );
  }
}
