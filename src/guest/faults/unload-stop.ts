import { isCheckedFor } from "../checks/armed-checks.ts";
import type { LoadedImage } from "../image/loaded-image.ts";
import type { Kernel } from "../kernel/kernel.ts";
import type { Thread } from "../threads/thread.ts";
import { bugCheck } from "./bug-check.ts";

const DRIVER_VERIFIER_DETECTED_VIOLATION = 0xc4;
const TIMER_OR_DPC_INVALID = 0xc7;
const WORKER_INVALID = 0xe4;
/** Parameter 1 of 0xC7: the routine of a DPC lies in memory that is given back. */
const ROUTINE_GOES = 2n;
/** Parameter 1 of 0xE4: a work item of memory that is given back. */
const ITEM_GOES = 0n;
/** Parameter 1: blocks of pool are left when the driver unloads. */
const POOL_LEFT = 0x62n;

/**
 * What the armed checks have to say about an image that is about to go, on a thread inside MiUnloadSystemImage.
 *
 * A timer that is set, or a DPC that waits, with its routine there: 0xC7 with 2, the routine, first and last address of the image. A work item
 * that waits, with its routine there: 0xE4 with 0, the item, first and last address. Blocks of pool that are not freed: 0xC4 with 0x62, the
 * driver's name, not used, how many.
 */
export function checkUnload(kernel: Kernel, thread: Thread, image: LoadedImage): void {
  if (isCheckedFor(kernel.checks.armed, "unload-checks", image.name)) checkPending(kernel, thread, image);
  checkPool(kernel, thread, image);
}

function checkPending(kernel: Kernel, thread: Thread, image: LoadedImage): void {
  const { pending, work, images } = kernel;
  const last = image.base + BigInt(image.size) - 1n;
  const isThere = ({ routine }: { readonly routine: bigint }) => routine >= image.base && routine <= last;
  const stop = (found: string, code: number, ...what: readonly [bigint, bigint]) => {
    for (const name of ["VfDriverUnloadImage", found]) thread.enter(images.find(`nt!${name}`), [image.base]);
    return bugCheck(kernel, thread, code, [...what, image.base, last]);
  };
  const call = [...pending.timers(), ...pending.dpcs()].find(isThere);
  if (call !== undefined) stop("KeCheckForTimer", TIMER_OR_DPC_INVALID, ROUTINE_GOES, call.routine);
  const item = work.waiting().find(isThere);
  if (item !== undefined) stop("ExpCheckForWorker", WORKER_INVALID, ITEM_GOES, item.item);
}

function checkPool(kernel: Kernel, thread: Thread, image: LoadedImage): void {
  const { checks, poolTracking, images, modules } = kernel;
  if (poolTracking === null || !isCheckedFor(checks.armed, "pool-tracking", image.name)) return;
  const left = poolTracking.heldFrom(image.base, image.base + BigInt(image.size));
  if (left === 0) return;
  for (const name of ["VfDriverUnloadImage", "VfPoolCheckForLeaks", "VerifierBugCheckIfAppropriate"])
    thread.enter(images.find(`nt!${name}`), [image.base]);
  const parameters = [POOL_LEFT, modules.nameOf(image.base), 0n, BigInt(left)] as const;
  bugCheck(kernel, thread, DRIVER_VERIFIER_DETECTED_VIOLATION, parameters);
}
