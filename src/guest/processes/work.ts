import { z } from "zod";
import { Random } from "../../binary/index.ts";
import { PageFault } from "../../hypervisor/index.ts";
import { memoryManagementStop, type PageViolation } from "../faults/memory-management.ts";
import { pageFault } from "../faults/page-fault.ts";
import type { Kernel } from "../kernel/kernel.ts";
import type { Process } from "../kernel/process-table.ts";
import type { Services } from "../kernel/services.ts";
import { PAGE_KIND } from "../memory/page-table-entry.ts";
import { rate } from "../quantities.ts";
import type { Thread } from "../threads/thread.ts";
import type { Routine } from "../threads/wait.ts";
import type { PageExchange } from "./page-exchange.ts";
import { StampSource } from "./page-stamp.ts";
import { SharedWork } from "./shared-work.ts";
import { StampedPages, type WrongStamp } from "./stamped-pages.ts";
import { agePages, movePages, renewPages, type WorkingSet } from "./working-set.ts";

export const LARGE_PAGE_BYTES = 2 ** 21;
export const SMALL_PAGES_OF_A_LARGE = 512;
/** Stamped pages that a process can have, as large pages. */
const MOST_LARGE_PAGES = 16;
const MOST_PAGES = 4096;
const MOST_ACCESSES = 4096;
const SECONDS_PER_ACCESS = 20e-9;
/** Bursts from one look at the flags of the page-table entries to the next. */
const BURSTS_PER_LOOK = 16;

/** Where a working process may begin; what lies between is room for its small pages. */
const BASES = 32;
const BASE_BYTES = 0x100_0000n;
/** Where it has its pages, from there on: all within 4 GiB. */
const PLACES = { small: 0n, buffer: 0x2000_0000n, offered: 0x3000_0000n, large: 0x4000_0000n } as const;

/** What a working process does, as a scenario asks for it. */
export const processWork = z.strictObject({
  rate: rate.prefault("20 per second").meta({ description: "Bursts of accesses" }),
  accesses: z.int().min(16).max(MOST_ACCESSES).default(512).meta({ description: "Accesses in a burst" }),
  pages: z.int().min(4).max(MOST_PAGES).default(64).meta({ description: "Pages of 4 KiB that it works on" }),
  largePages: z
    .int()
    .min(0)
    .max(MOST_LARGE_PAGES)
    .default(0)
    .meta({ description: "Pages of 2 MiB that it works on besides, every other burst" }),
  remaps: z
    .int()
    .min(0)
    .max(64)
    .default(2)
    .meta({ description: "Pages that are unmapped and mapped to other frames after a burst" }),
  share: z
    .strictObject({
      with: z.array(z.string()).min(1).meta({ description: "Partitions whose pages its device reads and writes" }),
      pages: z.int().min(1).max(16).default(4).meta({ description: "Pages of a transfer, and of each kind it offers" }),
    })
    .optional()
    .meta({ description: "It offers pages to devices of other partitions, and has its own work on theirs" }),
});

export type ProcessWork = z.output<typeof processWork>;

/** Bytes of memory that a working process takes for its work. */
export function workBytes({ pages, largePages, share }: ProcessWork): number {
  return (pages + 3 * (share?.pages ?? 0)) * 4096 + largePages * LARGE_PAGE_BYTES;
}

/**
 * A process that works: again and again its thread reads and writes pages of its own through the processor, and the kernel
 * gives some of them other frames meanwhile. Whoever finds in a page what was not left there stops the guest.
 */
export class Work {
  readonly #kernel: Kernel;
  readonly #wanted: ProcessWork;
  readonly #random: Random;
  readonly #small: WorkingSet;
  readonly #large: StampedPages | null;
  readonly #shared: SharedWork | null;

  /**
   * Maps the pages and fills them.
   * @param number of the process, among those that work in its partition
   */
  constructor(
    kernel: Kernel,
    process: Process,
    wanted: ProcessWork,
    { seed, number, exchange }: { readonly seed: number; readonly number: number; readonly exchange: PageExchange },
  ) {
    this.#kernel = kernel;
    this.#wanted = wanted;
    this.#random = new Random(seed, `work ${number}`);
    const stamps = new StampSource(kernel.partition.name, number);
    // By chance some processes use the same addresses: only the address space tells those apart.
    const window = BigInt(new Random(seed, "where processes work").below(0x1000));
    const base = 0x0200_0000_0000n + (window << 32n) + BigInt(this.#random.below(BASES)) * BASE_BYTES;
    const stamped = (place: bigint, pages: number) =>
      new StampedPages(base + place, pages, stamps, this.#random, wanted.accesses);
    const mapped = (pages: StampedPages, frames: readonly number[]) => {
      process.tables.mapRun(pages.address, frames, PAGE_KIND.freshUserData);
      for (const [page, frame] of frames.entries()) pages.fill(kernel.physical, page, frame);
      return pages;
    };
    const taken = (count: number) => Array.from({ length: count }, () => kernel.frames.takeZeroed());

    const frames = taken(wanted.pages);
    this.#small = { pages: mapped(stamped(PLACES.small, wanted.pages), frames), frames, tables: process.tables };
    kernel.workedOn.push(() => this.#small.frames);
    this.#large = wanted.largePages === 0 ? null : this.#mapLarge(process, stamped);
    this.#shared = null;
    const { share } = wanted;
    if (share === undefined) return;
    const offered = taken(2 * share.pages);
    const bufferFrame = kernel.frames.takeRun(share.pages, 1);
    const bufferFrames = Array.from({ length: share.pages }, (_, page) => bufferFrame + page);
    this.#shared = new SharedWork(exchange, {
      partition: kernel.partition.name,
      peers: share.with,
      offered: { pages: mapped(stamped(PLACES.offered, offered.length), offered), frames: offered },
      buffer: { pages: mapped(stamped(PLACES.buffer, share.pages), bufferFrames), firstFrame: bufferFrame },
    });
  }

  /** What the process's thread does. */
  *routine(services: Services, thread: Thread): Routine {
    const { rate, accesses } = this.#wanted;
    for (let burst = 0; ; burst++) {
      yield* services.delayInUserMode(thread, this.#random.between(0.5, 1.5) / rate);
      this.#touch(thread, burst);
      yield { kind: "compute", seconds: accesses * SECONDS_PER_ACCESS };
      this.#remap(thread, burst);
      const { processor } = this.#kernel.memory;
      if (this.#shared !== null)
        this.#must(
          thread,
          this.#faulting(thread, () => this.#shared!.step(processor)),
        );
    }
  }

  #touch(thread: Thread, burst: number): void {
    const { processor } = this.#kernel.memory;
    const pages = this.#large !== null && burst % 2 === 1 ? this.#large : this.#small.pages;
    this.#must(
      thread,
      this.#faulting(thread, () => pages.access(processor, this.#wanted.accesses)),
    );
  }

  #remap(thread: Thread, burst: number): void {
    const { memory, frames } = this.#kernel;
    const set = this.#small;
    if (burst % BURSTS_PER_LOOK === BURSTS_PER_LOOK - 1) {
      const violation = agePages(set);
      if (violation !== null) memoryManagementStop(this.#kernel, thread, violation);
    }
    const { remaps } = this.#wanted;
    const { processor } = memory;
    this.#faulting(thread, () => {
      if (burst % 2 === 0) renewPages(set, frames, processor, this.#random, remaps);
      else movePages(set, this.#random, remaps);
    });
  }

  /** Does what user code does; a page that refuses it stops the guest, because every page of a working process is mapped. */
  #faulting<T>(thread: Thread, use: () => T): T {
    try {
      return use();
    } catch (error) {
      if (!(error instanceof PageFault)) throw error;
      const site = (error.errorCode & 2) !== 0 ? "WritePage" : "ReadPage";
      return pageFault(this.#kernel, thread, error, thread.siteAddress(site));
    }
  }

  #must(thread: Thread, wrong: WrongStamp | null): void {
    if (wrong !== null)
      memoryManagementStop(this.#kernel, thread, { kind: "wrongPage", ...wrong } satisfies PageViolation);
  }

  #mapLarge(process: Process, stamped: (place: bigint, pages: number) => StampedPages): StampedPages {
    const { frames, physical } = this.#kernel;
    const { largePages } = this.#wanted;
    const pages = stamped(PLACES.large, largePages * SMALL_PAGES_OF_A_LARGE);
    for (let large = 0; large < largePages; large++) {
      const first = frames.takeRun(SMALL_PAGES_OF_A_LARGE, SMALL_PAGES_OF_A_LARGE);
      const page = large * SMALL_PAGES_OF_A_LARGE;
      process.tables.mapLarge(pages.addressOf(page), first, PAGE_KIND.freshUserData);
      for (let piece = 0; piece < SMALL_PAGES_OF_A_LARGE; piece++) pages.fill(physical, page + piece, first + piece);
    }
    return pages;
  }
}
