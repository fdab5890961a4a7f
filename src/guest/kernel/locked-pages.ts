import { eprocess } from "../../dumpfile/index.ts";
import { bugCheck } from "../faults/bug-check.ts";
import type { Thread } from "../threads/thread.ts";
import type { Kernel } from "./kernel.ts";
import { framesOfMdl, memoryDescriptorList } from "./memory-descriptor-list.ts";

const PFN_LIST_CORRUPT = 0x4e;
const PROCESS_HAS_LOCKED_PAGES = 0x76;
const DRIVER_LEFT_LOCKED_PAGES_IN_PROCESS = 0xcb;
/** First parameters of the first two. */
const UNLOCKED_TOO_OFTEN = 7n;
const LEFT_AT_END = 0n;
const NOT_LOCKED = 1n;

const MDL_PAGES_LOCKED = 0x2;
const PAGE = 4096n;

const LOCKED_PAGES = BigInt(eprocess.fields.numberOfLockedPages.offset);
const OWNER = BigInt(memoryDescriptorList.fields.process.offset);

/** What drivers call to have pages of a process stay where they are while a device uses them, and what the kernel counts of it. */
export class LockedPages {
  readonly #kernel: Kernel;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  /** Locks the pages of a buffer in the thread's process, whose frames the MDL then has. */
  mmProbeAndLockPages(thread: Thread, mdl: bigint): void {
    const { images, memory, frames, processes, locks, checks, nt } = this.#kernel;
    thread.call(images.find("nt!MmProbeAndLockPages"), [mdl], () => {
      const { process } = thread;
      const { tables } = processes.of(process);
      const { startVa } = memoryDescriptorList.read(memory.processor.read(mdl, memoryDescriptorList.size));
      const pages = framesOfMdl(memory, mdl).length;
      for (let page = 0; page < pages; page++) {
        const frame = tables.translate(startVa + BigInt(page) * PAGE)! / Number(PAGE);
        memory.processor.writeU64(mdl + BigInt(memoryDescriptorList.size + 8 * page), BigInt(frame));
        frames.lock(frame);
      }
      memory.put(memoryDescriptorList, mdl, { process, mdlFlags: MDL_PAGES_LOCKED });
      this.#count(process, pages);
      if (locks === null) return;
      checks.written++;
      const [caller = 0n, callersCaller = 0n] = thread.callersIn((frame) => frame.image !== nt);
      locks.locked({ mdl, process, pages, caller, callersCaller });
    });
  }

  /** Lets the pages of an MDL go. Pages that nobody has locked stop the guest: 0x76 with 1 by the process's count, 0x4E with 7 by the page's. */
  mmUnlockPages(thread: Thread, mdl: bigint): void {
    const { images, memory, frames, locks, checks } = this.#kernel;
    thread.call(images.find("nt!MmUnlockPages"), [mdl], () => {
      const process = memory.processor.readU64(mdl + OWNER);
      const held = memory.processor.readU64(process + LOCKED_PAGES);
      const unlocked = framesOfMdl(memory, mdl);
      if (locks !== null) checks.written++;
      const isKnown = locks === null || locks.unlocked(mdl);
      if (!isKnown || held < BigInt(unlocked.length))
        bugCheck(this.#kernel, thread, PROCESS_HAS_LOCKED_PAGES, [NOT_LOCKED, mdl, held, locks?.address ?? 0n]);
      this.#count(process, -unlocked.length);
      for (const frame of unlocked)
        if (!frames.unlock(frame))
          bugCheck(this.#kernel, thread, PFN_LIST_CORRUPT, [
            UNLOCKED_TOO_OFTEN,
            BigInt(frame),
            BigInt(frames.shareCount(frame)),
            0n,
          ]);
    });
  }

  /** A process that ends with pages locked stops the guest: 0x76 with 0, or 0xCB where the tracking knows who locked some. */
  mustBeNone(thread: Thread, process: bigint): void {
    const { memory, locks } = this.#kernel;
    const held = memory.processor.readU64(process + LOCKED_PAGES);
    if (held === 0n) return;
    const lock = locks?.ofProcess(process);
    if (lock) bugCheck(this.#kernel, thread, DRIVER_LEFT_LOCKED_PAGES_IN_PROCESS, [lock.address, 0n, lock.mdl, held]);
    bugCheck(this.#kernel, thread, PROCESS_HAS_LOCKED_PAGES, [LEFT_AT_END, process, held, 0n]);
  }

  #count(process: bigint, pages: number): void {
    const { processor } = this.#kernel.memory;
    processor.writeU64(process + LOCKED_PAGES, processor.readU64(process + LOCKED_PAGES) + BigInt(pages));
  }
}
