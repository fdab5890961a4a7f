import { type CheckRequest, THIRD_PARTY } from "./armed-checks.ts";
import type { StagedCheck } from "./diagnosis-state.ts";

/** Per thousand: with less of the blocks than this in special pool, that it found nothing means little. As Driver Verifier's documentation has it. */
const ENOUGH_COVERAGE = 950;

/**
 * Whom a check is for next, when the stop code that it was armed for has come again and it has found nothing: after a suspect driver all that
 * do not come with Windows, then also whoever uses the tag that was damaged, then everybody.
 *
 * @param tag of the block before the damage; null when it is not known, or is looked at already
 */
export function wider(target: string | null, tag: string | null): readonly (string | null)[] {
  if (target === null) return [null];
  if (target !== THIRD_PARTY && target.endsWith(".sys")) return [THIRD_PARTY];
  return target === THIRD_PARTY && tag !== null ? [THIRD_PARTY, tag] : [null];
}

/** The entries of one check, for the stop code that has come again, made wider. */
export function escalated(entries: readonly StagedCheck[], tag: number): readonly CheckRequest[] {
  const { check } = entries[0]!;
  const targets = entries.map(({ target }) => target);
  const tagged = targetOf(tag);
  const widest = targets.includes(null)
    ? null
    : (targets.find((target) => target !== null && isTag(target)) ??
      targets.find((target) => target === THIRD_PARTY) ??
      targets[0]!);
  return wider(widest, tagged).map((target) => ({ check, target }));
}

/**
 * A check of pool blocks that cannot be afforded for everybody is for every second driver, the other ones at the next start: null where it
 * can be.
 */
export function affordablePart(
  { check, target }: CheckRequest,
  coverage: number,
  drivers: readonly string[],
  boot: number,
): readonly CheckRequest[] | null {
  if (check !== "special-pool" || coverage >= ENOUGH_COVERAGE || drivers.length < 2) return null;
  if (target !== null && target !== THIRD_PARTY) return null;
  return drivers
    .toSorted()
    .filter((_, index) => index % 2 === boot % 2)
    .map((driver) => ({ check, target: driver }));
}

const isTag = (target: string) => target !== THIRD_PARTY && !target.endsWith(".sys");

const targetOf = (tag: number): string | null =>
  tag === 0 ? null : `tag:${String.fromCharCode(tag & 0xff, (tag >>> 8) & 0xff, (tag >>> 16) & 0xff, tag >>> 24)}`;
