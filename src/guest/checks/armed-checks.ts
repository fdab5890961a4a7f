import { KERNEL_CHECKS, type KernelCheck } from "../../dumpfile/index.ts";

/** A target: all drivers that do not come with Windows. */
export const THIRD_PARTY = "third-party";

/** A check to be applied when the kernel starts, before drivers load. */
export interface CheckRequest {
  readonly check: string;
  /** A driver, a pool tag or a range of sizes (`SpecialPoolScope`), `third-party`; null for the whole system. */
  readonly target: string | null;
}

/** A check that this kernel has, and whom it is for. */
export interface ArmedKernelCheck extends CheckRequest {
  readonly check: KernelCheck;
}

export const isKernelCheck = (request: CheckRequest): request is ArmedKernelCheck =>
  (KERNEL_CHECKS as readonly string[]).includes(request.check);

/**
 * Whether a check is armed for what an image asks for: by the image's name, in whatever case, or for all. Windows' own
 * images here ask for nothing, so that all who ask are third parties.
 */
export const isCheckedFor = (armed: readonly ArmedKernelCheck[], check: KernelCheck, image: string): boolean =>
  armed.some(
    ({ check: one, target }) =>
      one === check && (target === null || target === THIRD_PARTY || target.toLowerCase() === image.toLowerCase()),
  );

/**
 * What a kernel does by itself about a stop code that its last start left: the checks it switches on (systems.md 6.1).
 * The table is handed to it at start, so that it needs nobody to diagnose the stop first.
 */
export interface Procedure {
  readonly stopCode: number;
  /** The stop code whose check leads to this one; null for a first stage. */
  readonly after: number | null;
  readonly arm: readonly CheckRequest[];
}
