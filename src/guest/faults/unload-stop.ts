import { isCheckedFor } from "../checks/armed-checks.ts";
import type { LoadedImage } from "../image/loaded-image.ts";
import type { Kernel } from "../kernel/kernel.ts";
import type { Thread } from "../threads/thread.ts";
import { bugCheck } from "./bug-check.ts";

const DRIVER_VERIFIER_DETECTED_VIOLATION = 0xc4;
/** Parameter 1: blocks of pool are left when the driver unloads. */
const POOL_LEFT = 0x62n;

/**
 * What the armed checks have to say about an image that is about to go, on a thread inside MiUnloadSystemImage. Blocks of pool that are not freed:
 * 0xC4 with 0x62, the driver's name, not used, how many.
 */
export function checkUnload(kernel: Kernel, thread: Thread, image: LoadedImage): void {
  const { checks, poolTracking, images, modules } = kernel;
  if (poolTracking === null || !isCheckedFor(checks.armed, "pool-tracking", image.name)) return;
  const left = poolTracking.heldFrom(image.base, image.base + BigInt(image.size));
  if (left === 0) return;
  for (const name of ["VfDriverUnloadImage", "VfPoolCheckForLeaks", "VerifierBugCheckIfAppropriate"])
    thread.enter(images.find(`nt!${name}`), [image.base]);
  const parameters = [POOL_LEFT, modules.nameOf(image.base), 0n, BigInt(left)] as const;
  bugCheck(kernel, thread, DRIVER_VERIFIER_DETECTED_VIOLATION, parameters);
}
