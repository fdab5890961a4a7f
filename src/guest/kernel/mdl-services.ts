import { PAGE_SIZE } from "../../binary/index.ts";
import { type BiggestUser, EXCESSIVE_SHARE } from "../checks/check-records.ts";
import type { Unmapping } from "../checks/mapping-records.ts";
import { bugCheck } from "../faults/bug-check.ts";
import type { KernelFunction } from "../image/loaded-image.ts";
import type { Thread } from "../threads/thread.ts";
import type { Kernel } from "./kernel.ts";
import { framesOfMdl, memoryDescriptorList } from "./memory-descriptor-list.ts";
import type { PoolServices } from "./pool-services.ts";

const SYSTEM_PTE_MISUSE = 0xda;

const PTE_BYTES = 8n;

const MDL_MAPPED_TO_SYSTEM_VA = 0x1;
const MDL_SOURCE_IS_NONPAGED_POOL = 0x4;

/** Buffers described by MDLs, and the system PTEs that map them, with what the armed checks of PTEs do at each call. */
export class MdlServices {
  readonly #kernel: Kernel;
  readonly #pools: PoolServices;

  constructor(kernel: Kernel, pools: PoolServices) {
    this.#kernel = kernel;
    this.#pools = pools;
  }

  /** An MDL for a buffer, without its frames; 0 when the pool is full. */
  ioAllocateMdl(thread: Thread, buffer: bigint, bytes: number): bigint {
    return thread.call(this.#nt("IoAllocateMdl"), [buffer, BigInt(bytes)], () => {
      const byteOffset = Number(buffer & 0xfffn);
      const pages = Math.ceil((byteOffset + bytes) / PAGE_SIZE);
      const size = memoryDescriptorList.size + pages * 8;
      const mdl = this.#pools.allocateOwn(thread, "nonpaged", size, "Mdl ");
      if (mdl === 0n) return mdl;
      this.#kernel.memory.put(memoryDescriptorList, mdl, {
        next: 0n,
        size,
        mdlFlags: 0,
        process: 0n,
        mappedSystemVa: 0n,
        startVa: buffer - BigInt(byteOffset),
        byteCount: bytes,
        byteOffset,
      });
      return mdl;
    });
  }

  mmBuildMdlForNonPagedPool(thread: Thread, mdl: bigint): void {
    thread.call(this.#nt("MmBuildMdlForNonPagedPool"), [mdl], () => {
      const { memory, tables } = this.#kernel;
      const startVa = memory.processor.readU64(mdl + BigInt(memoryDescriptorList.fields.startVa.offset));
      for (let page = 0; page < framesOfMdl(memory, mdl).length; page++) {
        const frame = tables.translate(startVa + BigInt(page * PAGE_SIZE))! / PAGE_SIZE;
        memory.processor.writeU64(mdl + BigInt(memoryDescriptorList.size + 8 * page), BigInt(frame));
      }
      memory.put(memoryDescriptorList, mdl, { mdlFlags: MDL_SOURCE_IS_NONPAGED_POOL });
    });
  }

  /** Maps the MDL's frames by a run of system PTEs. Without one that long the guest stops: 0x3F, or 0xD8 while PTEs are tracked. */
  mmMapLockedPagesSpecifyCache(thread: Thread, mdl: bigint): bigint {
    return thread.call(this.#nt("MmMapLockedPagesSpecifyCache"), [mdl], () => {
      const { memory, systemPtes } = this.#kernel;
      const frames = framesOfMdl(memory, mdl);
      const first = this.#reservePtes(thread, frames.length);
      this.#recordMapping(thread, mdl, systemPtes.address(first));
      systemPtes.fill(first, frames);
      const byteOffset = BigInt(memory.processor.readU32(mdl + BigInt(memoryDescriptorList.fields.byteOffset.offset)));
      const address = systemPtes.address(first) + byteOffset;
      memory.put(memoryDescriptorList, mdl, {
        mdlFlags: MDL_SOURCE_IS_NONPAGED_POOL | MDL_MAPPED_TO_SYSTEM_VA,
        mappedSystemVa: address,
      });
      return address;
    });
  }

  mmUnmapLockedPages(thread: Thread, address: bigint, mdl: bigint): void {
    thread.call(this.#nt("MmUnmapLockedPages"), [address, mdl], () => {
      const { memory, systemPtes, checks } = this.#kernel;
      const unmapping = this.#unmappingOf(mdl, address & ~0xfffn);
      this.#mustBeMapped(thread, unmapping);
      const first = systemPtes.indexOf(address);
      const { pages } = unmapping;
      thread.call(this.#nt("MiReleasePtes"), [BigInt(first), BigInt(pages)], () => {
        systemPtes.release(first, pages);
        if (checks.tracksPtes) checks.released(first, pages);
      });
      memory.put(memoryDescriptorList, mdl, { mdlFlags: MDL_SOURCE_IS_NONPAGED_POOL, mappedSystemVa: 0n });
    });
  }

  /** Addresses of the valid PTEs of so many pages, whosever they are. */
  validPtes(address: bigint, pages: number): bigint[] {
    const { tables, layout } = this.#kernel;
    const all = Array.from({ length: pages }, (_, page) => address + BigInt(page * PAGE_SIZE));
    const valid = all.filter((at) => tables.translate(at) !== null);
    return valid.map((at) => layout.pteBase + (BigInt.asUintN(48, at) >> 12n) * PTE_BYTES);
  }

  /** What a driver writes into an MDL's field by itself, without a call. */
  setMdlByteCount(mdl: bigint, bytes: number): void {
    this.#kernel.memory.put(memoryDescriptorList, mdl, { byteCount: bytes });
  }

  ioFreeMdl(thread: Thread, mdl: bigint): void {
    thread.call(this.#nt("IoFreeMdl"), [mdl], () => {
      this.#pools.free(thread, mdl);
    });
  }

  #reservePtes(thread: Thread, pages: number): number {
    const { systemPtes, checks, images } = this.#kernel;
    const first = thread.call(this.#nt("MiReservePtes"), [BigInt(pages)], () => {
      const index = systemPtes.reserve(pages);
      if (index < 0 || !checks.tracksPtes) return index;
      const caller = thread.callerIn((frame) => frame.image !== this.#kernel.nt);
      checks.reserved(index, pages, caller, images.imageAt(caller)?.base ?? 0n);
      return index;
    });
    if (first < 0) return this.#noPtes(thread, pages);
    const growing = checks.tracksPtes ? checks.growingUser() : null;
    return growing === null ? first : this.#excessivePtes(thread, pages, growing);
  }

  /** What an MDL has unmapped at an address: as many pages as its buffer spans now, whatever it spanned when they were mapped. */
  #unmappingOf(mdl: bigint, address: bigint): Unmapping {
    const { processor } = this.#kernel.memory;
    const { startVa, byteCount, byteOffset } = memoryDescriptorList.fields;
    const word = (field: { readonly offset: number }) => processor.readU32(mdl + BigInt(field.offset));
    return {
      mdl,
      address,
      pages: Math.ceil((word(byteOffset) + word(byteCount)) / PAGE_SIZE),
      firstFrame: processor.readU32(mdl + BigInt(memoryDescriptorList.size)),
      startVa: processor.readU64(mdl + BigInt(startVa.offset)),
    };
  }

  #recordMapping(thread: Thread, mdl: bigint, address: bigint): void {
    const { mappings, checks, nt } = this.#kernel;
    if (mappings === null) return;
    checks.written++;
    const caller = thread.callerIn((frame) => frame.image !== nt);
    mappings.mapped({ ...this.#unmappingOf(mdl, address), caller });
  }

  /** While PTE misuse is checked for, a free that does not fit its mapping stops the guest. */
  #mustBeMapped(thread: Thread, unmapping: Unmapping): void {
    const { mappings, checks } = this.#kernel;
    if (mappings === null) return;
    checks.written++;
    const misuse = mappings.freed(unmapping);
    if (misuse === null) return;
    thread.enter(this.#nt("MiRemovePteTracker"), [unmapping.mdl, unmapping.address]);
    bugCheck(this.#kernel, thread, SYSTEM_PTE_MISUSE, misuse);
  }

  /** Bug check 0x3F names nobody; where the records of PTE tracking show one driver with much of it all, 0xD8 names that driver. */
  #noPtes(thread: Thread, pages: number): never {
    const { systemPtes, checks } = this.#kernel;
    const biggest = checks.biggestUser();
    if (biggest !== null && biggest.heldPtes * EXCESSIVE_SHARE >= systemPtes.total)
      return this.#excessivePtes(thread, pages, biggest);
    const [free, total] = [BigInt(systemPtes.free), BigInt(systemPtes.total)];
    thread.enter(this.#nt("MiIssueNoPtesBugcheck"), [BigInt(pages)]);
    return bugCheck(this.#kernel, thread, 0x3f, [0n, BigInt(pages), free, total]);
  }

  #excessivePtes(thread: Thread, pages: number, { moduleBase, heldPtes }: BiggestUser): never {
    const { systemPtes, modules } = this.#kernel;
    const [free, total] = [BigInt(systemPtes.free), BigInt(systemPtes.total)];
    thread.enter(this.#nt("MiIssueNoPtesBugcheck"), [BigInt(pages)]);
    return bugCheck(this.#kernel, thread, 0xd8, [modules.nameOf(moduleBase), BigInt(heldPtes), free, total]);
  }

  #nt(name: string): KernelFunction {
    return this.#kernel.images.find(`nt!${name}`);
  }
}
