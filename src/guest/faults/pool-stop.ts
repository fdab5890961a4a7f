import { poolHeader } from "../../dumpfile/index.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { PoolDamage, type PoolFinding } from "../memory/pool-damage.ts";
import { TRAILER_VIOLATION, TrailerDamage } from "../memory/pool-tracking.ts";
import { SPECIAL_POOL_VIOLATION, SpecialPoolDamage } from "../memory/special-pool.ts";
import { DISPATCH_LEVEL } from "../threads/processor.ts";
import type { Thread } from "../threads/thread.ts";
import { type BugCheckParameters, bugCheck } from "./bug-check.ts";

const BAD_POOL_HEADER = 0x19;
const SPECIAL_POOL_DETECTED_MEMORY_CORRUPTION = 0xc1;
const BAD_POOL_CALLER = 0xc2;
const DRIVER_VERIFIER_DETECTED_VIOLATION = 0xc4;
const DRIVER_CORRUPTED_EXPOOL = 0xc5;
/** Third parameter of 0xC5. */
const READ = 0n;

/**
 * Does a pool's work on a thread that is inside ExAllocatePoolWithTag or ExFreePoolWithTag; damage that is met stops the guest.
 * Who meets it is seldom who did it: blocks are neighbours by chance.
 *
 * @param block what is freed; 0 where a block is asked for
 */
export function watchingPools<T>(kernel: Kernel, thread: Thread, block: bigint, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof PoolDamage) return poolStop(kernel, thread, error.found);
    if (error instanceof TrailerDamage) return trailerStop(kernel, thread, block, error);
    if (!(error instanceof SpecialPoolDamage)) throw error;
    const name = block === 0n ? "MmAllocateSpecialPool" : "MmFreeSpecialPool";
    thread.enter(kernel.images.find(`nt!${name}`), [error.block]);
    const kind = BigInt(SPECIAL_POOL_VIOLATION[error.kind]);
    return bugCheck(kernel, thread, SPECIAL_POOL_DETECTED_MEMORY_CORRUPTION, [error.block, ...error.details, kind]);
  }
}

/** Pool tracking found at a free that something has written behind the block. Who is next to be suspected is whoever has blocks with its tag. */
function trailerStop(kernel: Kernel, thread: Thread, block: bigint, { kind, details }: TrailerDamage): never {
  kernel.damagedTag = kernel.poolTracking!.find(block)!.poolTag;
  thread.enter(kernel.images.find("nt!VfFreePoolNotification"), [block]);
  thread.enter(kernel.images.find("nt!VerifierBugCheckIfAppropriate"));
  const parameters = [BigInt(TRAILER_VIOLATION[kind]), block, ...details] as const;
  return bugCheck(kernel, thread, DRIVER_VERIFIER_DETECTED_VIOLATION, parameters);
}

/** The same where the kernel allocates for itself, in a function that calls ExAllocatePoolWithTag. */
export function watchingOwnPool<T>(kernel: Kernel, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof PoolDamage)) throw error;
    const thread = kernel.processors.find(({ virtual }) => virtual === kernel.memory.processor)!.current;
    thread.enter(kernel.images.find("nt!ExAllocatePoolWithTag"));
    return poolStop(kernel, thread, error.found);
  }
}

/** Parameters after Microsoft's "Bug check code reference". */
function poolStop(kernel: Kernel, thread: Thread, found: PoolFinding): never {
  const stop = (code: number, ...parameters: BugCheckParameters) => bugCheck(kernel, thread, code, parameters);
  switch (found.kind) {
    case "list":
      return stop(BAD_POOL_HEADER, 3n, found.entry, found.flink, found.blink);
    case "neighbours":
      kernel.damagedTag = kernel.memory.processor.readU32(found.before + BigInt(poolHeader.fields.poolTag.offset));
      return stop(BAD_POOL_HEADER, 5n, found.before, 0n, found.entry);
    case "bad entry":
      return stop(BAD_POOL_HEADER, 7n, 0n, 0n, found.entry);
    case "size":
      return stop(BAD_POOL_HEADER, 0x20n, found.entry, found.next, 0n);
    case "freed twice":
      return stop(BAD_POOL_CALLER, 7n, 0n, found.header, found.entry);
    case "wrong tag":
      return stop(BAD_POOL_CALLER, 0xan, found.address, BigInt(found.allocated), BigInt(found.freed));
    case "wild link": {
      // The pool's lock is held at DISPATCH_LEVEL.
      const parameters = [found.address, BigInt(DISPATCH_LEVEL), READ, thread.siteAddress("ReadLink")] as const;
      return stop(DRIVER_CORRUPTED_EXPOOL, ...parameters);
    }
  }
}
