import { PAGE_SIZE } from "../../binary/index.ts";
import { poolTrailer } from "../../dumpfile/index.ts";
import { isCheckedFor } from "../checks/armed-checks.ts";
import { SpecialPoolScope } from "../checks/special-pool-scope.ts";
import { watchingPools } from "../faults/pool-stop.ts";
import type { KernelFunction, LoadedImage } from "../image/loaded-image.ts";
import { LatestBlocks } from "../memory/latest-blocks.ts";
import { type PoolKind, poolTag } from "../memory/pool.ts";
import { PoolDamage } from "../memory/pool-damage.ts";
import type { Thread } from "../threads/thread.ts";
import type { Kernel } from "./kernel.ts";

/** A request for a block. */
interface PoolRequest {
  readonly kind: PoolKind;
  readonly bytes: number;
  readonly tag: number;
}

/** ExAllocatePoolWithTag and ExFreePoolWithTag, with what the armed checks of pool do at each call. */
export class PoolServices {
  readonly #kernel: Kernel;
  readonly #specialScope: SpecialPoolScope;
  readonly #latest: LatestBlocks;
  readonly #allocateFunction: KernelFunction;
  readonly #freeFunction: KernelFunction;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
    this.#specialScope = new SpecialPoolScope(kernel.checks.armed);
    this.#latest = new LatestBlocks(kernel.variable("MiSpecialPoolLatest"), kernel.memory);
    this.#allocateFunction = kernel.images.find("nt!ExAllocatePoolWithTag");
    this.#freeFunction = kernel.images.find("nt!ExFreePoolWithTag");
  }

  /**
   * A block for a driver; 0 when the pool is full. Who is to be checked has it from special pool, as long as there is any, or has it tracked.
   * @param tag four letters
   */
  allocate(thread: Thread, kind: PoolKind, bytes: number, tag: string): bigint {
    const { specialPool, poolTracking } = this.#kernel;
    const isChecked = specialPool !== null || poolTracking !== null;
    return this.#allocating(thread, { kind, bytes, tag: poolTag(tag) }, (request) =>
      isChecked ? this.#checkedBlock(thread, request) : this.#ordinaryBlock(request),
    );
  }

  /** A block that a function of the kernel asks for, whoever called that. */
  allocateOwn(thread: Thread, kind: PoolKind, bytes: number, tag: string): bigint {
    return this.#allocating(thread, { kind, bytes, tag: poolTag(tag) }, (request) => this.#ordinaryBlock(request));
  }

  /** @param tag what the caller says the block's tag is; left out, it does not say */
  free(thread: Thread, address: bigint, tag?: string): void {
    const { nonPagedPool, pagedPool, specialPool, poolTracking } = this.#kernel;
    const pool = [specialPool, nonPagedPool].find((one) => one?.contains(address)) ?? pagedPool;
    thread.call(this.#freeFunction, [address, BigInt(tag === undefined ? 0 : poolTag(tag))], () =>
      watchingPools(this.#kernel, thread, address, () => {
        if (tag !== undefined) requireTag(address, pool.tagOf(address), poolTag(tag));
        if (poolTracking !== null) this.#untrack(address);
        if (specialPool !== null) this.#lookAtLatest(this.#callingDriver(thread), address);
        pool.free(address);
        if (pool === specialPool) this.#latest.forget(address);
      }),
    );
  }

  #allocating(thread: Thread, request: PoolRequest, allocate: (request: PoolRequest) => bigint): bigint {
    const { kind, bytes, tag } = request;
    const values = [kind === "nonpaged" ? 0n : 1n, BigInt(bytes), BigInt(tag)];
    return thread.call(this.#allocateFunction, values, () =>
      watchingPools(this.#kernel, thread, 0n, () => allocate(request)),
    );
  }

  #ordinaryBlock({ kind, bytes, tag }: PoolRequest): bigint {
    return this.#poolOf(kind).allocate(bytes, tag);
  }

  #poolOf(kind: PoolKind) {
    return kind === "nonpaged" ? this.#kernel.nonPagedPool : this.#kernel.pagedPool;
  }

  #checkedBlock(thread: Thread, request: PoolRequest): bigint {
    const { images, nt, checks } = this.#kernel;
    const caller = thread.callerIn((frame) => frame.image !== nt);
    const driver = images.imageAt(caller);
    const special = driver ? this.#specialBlock(driver, request) : 0n;
    if (!driver || !isCheckedFor(checks.armed, "pool-tracking", driver.name))
      return special || this.#ordinaryBlock(request);
    return this.#trackedBlock(special, request, caller);
  }

  /** 0 where the block is not to be checked, or special pool is used up. */
  #specialBlock(driver: LoadedImage, { bytes, tag }: PoolRequest): bigint {
    const { specialPool, checks } = this.#kernel;
    if (specialPool === null || !specialPool.fits(bytes)) return 0n;
    if (!this.#specialScope.covers(driver.name, tag, bytes)) return 0n;
    this.#lookAtLatest(driver, 0n);
    const block = specialPool.allocate(bytes, tag);
    checks.allocatedSpecially(block !== 0n);
    if (block !== 0n) this.#latest.remember(driver.base, block);
    return block;
  }

  /** A driver's own mistake around its latest block is met at its next call, and not when it frees that block. @param freed is looked at anyway */
  #lookAtLatest(driver: LoadedImage | undefined, freed: bigint): void {
    const { specialPool } = this.#kernel;
    const block = driver === undefined ? 0n : this.#latest.of(driver.base);
    if (block !== 0n && block !== freed) specialPool!.look(block);
  }

  #callingDriver(thread: Thread): LoadedImage | undefined {
    const { images, nt } = this.#kernel;
    return images.imageAt(thread.callerIn((frame) => frame.image !== nt));
  }

  #trackedBlock(special: bigint, request: PoolRequest, caller: bigint): bigint {
    const { poolTracking, checks } = this.#kernel;
    const { bytes } = request;
    // A trailer that would take a page of its own is left out.
    const guarded = special === 0n && pagesFor(bytes + poolTrailer.size) === pagesFor(bytes);
    const block = special || this.#ordinaryBlock(guarded ? { ...request, bytes: bytes + poolTrailer.size } : request);
    if (block === 0n) return 0n;
    poolTracking!.record({ block, bytes, poolTag: request.tag, caller, guarded });
    checks.written++;
    return block;
  }

  /** A header that somebody in front has written over says nothing about what stands behind the block: that is the pool's to find. */
  #untrack(address: bigint): void {
    const { poolTracking, nonPagedPool, pagedPool, checks } = this.#kernel;
    const tracked = poolTracking!.find(address);
    if (tracked === null) return;
    const pool = nonPagedPool.contains(address) ? nonPagedPool : pagedPool;
    if (tracked.guarded && pool.isAsAllocated(address, tracked.bytes + poolTrailer.size, tracked.poolTag))
      poolTracking!.examine(tracked);
    poolTracking!.forget(address);
    checks.written++;
  }
}

const pagesFor = (bytes: number): number => Math.ceil(bytes / PAGE_SIZE);

function requireTag(address: bigint, allocated: number | null, freed: number): void {
  if (allocated !== null && allocated !== freed) throw new PoolDamage({ kind: "wrong tag", address, allocated, freed });
}
