import { randomInt } from "node:crypto";

const BASE32 = "abcdefghijklmnopqrstuvwxyz234567";
const PATTERN = /^\d{8}T\d{6}Z-[a-z0-9][a-z0-9_-]*-[a-z2-7]{6}$/;

/**
 * A new crash id such as `20260115T031241Z-web-k3f7q2`: sorts by time, names the partition as far as a path may, and six random
 * letters keep two crashes of one second apart.
 *
 * @param at when the partition stopped, by the host's clock
 */
export function newCrashId(at: Date, partition: string): string {
  const time = `${at.toISOString().slice(0, 19).replaceAll(/[-:]/g, "")}Z`;
  const random = Array.from({ length: 6 }, () => BASE32[randomInt(BASE32.length)]).join("");
  return `${time}-${pathSafe(partition)}-${random}`;
}

/** True for a name that `newCrashId` could have made. */
export const isCrashId = (name: string): boolean => PATTERN.test(name);

/** Lower-case letters, digits, `-` and `_`: safe on every file system, also on those that take `Web` and `web` for one name. */
function pathSafe(partition: string): string {
  const safe = partition
    .toLowerCase()
    .replaceAll(/[^a-z0-9_]+/g, "-")
    .replaceAll(/^[-_]+|-+$/g, "")
    .slice(0, 40);
  return safe || "partition";
}
