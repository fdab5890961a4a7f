import { Hypervisor, MAP_ALL, MAP_EXECUTE, MAP_READ, type Partition } from "../hypervisor/index.ts";
import { CR0_PE, CR0_PG, CR0_WP, CR4_PAE, EFER_LME, EFER_NXE, ENTRY_LARGE } from "../paging/index.ts";
import { BLOCK, type Block, nanoseconds } from "./measure.ts";
import { generator, PAGE, WRITTEN_BEFORE } from "./paged-guest.ts";

/** What a region of 2 MiB is like, in the guest's tables and in its partition's map. */
export type RegionKind = (typeof KINDS)[number];

/**
 * How large pages go in a partition: which regions of 2 MiB the first access maps large. `eligible` are those that the rule
 * of US7475183 allows (systems.md 4.2): mapped large by the guest, frames one aligned run, rights the same throughout.
 */
export interface LargePageCounts {
  readonly regions: number;
  readonly eligible: number;
  readonly mappedLarge: number;
  /** Of the eligible ones, those that the first fill mapped large, and no later access filled again. */
  readonly eligiblePercent: number;
  /** Regions that are not eligible and were mapped large all the same. */
  readonly wronglyLarge: number;
}

/** How fast a large mapping is split, because one of its pages gets other rights, and put together again when it has them back. */
export interface LargePageTimes {
  /** Nanoseconds for a raw read of 8 bytes in each of the regions. */
  readonly rawRead: number;
  /** Nanoseconds for both, each with the change of the map and the access that fills. */
  readonly splitAndRejoin: number;
  readonly changesPerSecond: number;
  /** Splits that were measured, and rejoins: the same, unless a region stayed small. */
  readonly splits: number;
  readonly rejoins: number;
}

const REGION_PAGES = 512;
const REGION_BYTES = REGION_PAGES * PAGE;
const REGIONS = 128;
const READ_ONLY = MAP_READ | MAP_EXECUTE;
const ODD_PAGE = 300;

/** The first two may be mapped large; each of the others lacks one thing. */
const KINDS = [
  "plain",
  "read-only throughout",
  "with a hole",
  "with a protected page",
  "with a page elsewhere",
  "misaligned",
  "mapped by small pages",
] as const;
const ELIGIBLE = 2;

/** Guest physical addresses of the tables, in the first region, which no access is counted of. */
const ROOT = 0x1000;
const DIRECTORY_POINTERS = 0x2000;
const DIRECTORY = 0x3000;
const PAGE_TABLES = 0x4000;

/** A partition of 256 MiB whose guest maps itself at linear 0, regions of all kinds by turns. */
export class LargeRegions {
  readonly partition: Partition;
  /** Regions by number, the first left out. */
  readonly kinds: readonly (RegionKind | null)[];

  constructor() {
    const lent = 2 * REGION_BYTES;
    // Frames that are no whole region are taken first: the partition's have to be found among what is left.
    const hypervisor = new Hypervisor({ memoryBytes: (REGIONS + 8) * REGION_BYTES });
    hypervisor.createPartition({ name: "first", memoryBytes: 5 * PAGE, processors: 1 });
    const lender = hypervisor.createPartition({ name: "lender", memoryBytes: lent, processors: 1 });
    this.partition = hypervisor.createPartition({
      ...{ name: "large", memoryBytes: REGIONS * REGION_BYTES, processors: 1, engine: "shadow" },
    });
    this.kinds = Array.from({ length: REGIONS }, (_, region) =>
      region === 0 ? null : region % 2 === 1 ? KINDS[0] : KINDS[(region / 2) % KINDS.length]!,
    );
    const frame = lender.memory.hostFrame(0)!;
    this.kinds.forEach((kind, region) => {
      this.#lay(region, kind, frame);
    });
    this.#start();
  }

  isEligible(region: number): boolean {
    const kind = this.kinds[region] ?? null;
    return kind !== null && KINDS.indexOf(kind) < ELIGIBLE;
  }

  /** Host byte address of an access to a page of a region. */
  touch(region: number, page: number): number {
    return this.partition.processors[0]!.translate(0, region * REGION_BYTES + page * PAGE, 0);
  }

  /** Gives a page of a region the rights of the others, or takes the right to write from it. */
  setWritable(region: number, writable: boolean): void {
    this.partition.memory.protect(region * REGION_PAGES + ODD_PAGE, 1, writable ? MAP_ALL : READ_ONLY);
  }

  /** Of one kind, since the partition was made. */
  fills(name: "largePageTlbFills" | "pageFaultIntercepts"): number {
    return this.partition.processors[0]!.translationCounters()[name]!;
  }

  #lay(region: number, kind: RegionKind | null, lentFrame: number): void {
    const { memory } = this.partition;
    const first = region * REGION_PAGES;
    const odd = first + ODD_PAGE;
    const entry = DIRECTORY + region * 8;
    memory.writeU64(entry, BigInt((first * PAGE) | WRITTEN_BEFORE | ENTRY_LARGE));
    switch (kind) {
      case "read-only throughout":
        memory.protect(first, REGION_PAGES, READ_ONLY);
        break;
      case "with a hole":
        memory.unmap(odd, 1);
        break;
      case "with a protected page":
        memory.protect(odd, 1, READ_ONLY);
        break;
      case "with a page elsewhere":
        memory.unmap(odd, 1);
        memory.mapFrame(odd, lentFrame, MAP_ALL);
        break;
      case "misaligned":
        memory.unmap(first, REGION_PAGES);
        for (let page = 0; page < REGION_PAGES; page++) memory.mapFrame(first + page, lentFrame + 1 + page, MAP_ALL);
        break;
      case "mapped by small pages":
        for (let page = 0; page < REGION_PAGES; page++)
          memory.writeU64(PAGE_TABLES + (first + page) * 8, BigInt(((first + page) * PAGE) | WRITTEN_BEFORE));
        memory.writeU64(entry, BigInt((PAGE_TABLES + first * 8) | WRITTEN_BEFORE));
        break;
    }
  }

  #start(): void {
    const { memory, processors } = this.partition;
    memory.writeU64(ROOT, BigInt(DIRECTORY_POINTERS | WRITTEN_BEFORE));
    memory.writeU64(DIRECTORY_POINTERS, BigInt(DIRECTORY | WRITTEN_BEFORE));
    const { registers } = processors[0]!;
    registers.cr3 = BigInt(ROOT);
    registers.cr4 = BigInt(CR4_PAE);
    registers.efer = BigInt(EFER_LME | EFER_NXE);
    registers.cr0 = BigInt.asUintN(32, BigInt(CR0_PE | CR0_WP | CR0_PG));
  }
}

/** Touches every region once at a page of it, then all pages that are there, and counts what was filled. */
export function largePageCounts(): LargePageCounts {
  const regions = new LargeRegions();
  const random = generator(5);
  let [eligible, mappedLarge, rightlyLarge, wronglyLarge] = [0, 0, 0, 0];
  for (let region = 1; region < REGIONS; region++) {
    const isEligible = regions.isEligible(region);
    const before = regions.fills("largePageTlbFills");
    // No hole is touched: where there is one, it is the odd page.
    regions.touch(region, random() % ODD_PAGE);
    const isLarge = regions.fills("largePageTlbFills") > before;
    const faults = regions.fills("pageFaultIntercepts");
    for (let page = 0; page < REGION_PAGES; page++) if (isEligible || page !== ODD_PAGE) regions.touch(region, page);
    if (isEligible) eligible++;
    if (isLarge) mappedLarge++;
    if (isLarge && !isEligible) wronglyLarge++;
    if (isLarge && isEligible && regions.fills("pageFaultIntercepts") === faults) rightlyLarge++;
  }
  const eligiblePercent = (100 * rightlyLarge) / eligible;
  return { regions: REGIONS - 1, eligible, mappedLarge, eligiblePercent, wronglyLarge };
}

/** Splits and rejoins the plain regions one after the other. The page that changes is the one accessed: its fill looks at the region. */
export function largePageTimes(): LargePageTimes {
  const regions = new LargeRegions();
  const plain = Int32Array.from(regions.kinds.flatMap((kind, region) => (kind === "plain" ? [region] : [])));
  const { memory } = regions.partition;
  const words = plain.map((region) => memory.hostFrame(region * REGION_PAGES)! * (PAGE / 4));
  let splits = 0;
  const change: Block = (from) => {
    let sum = 0;
    for (let index = from; index < from + BLOCK; index++) {
      const region = plain[index % plain.length]!;
      regions.setWritable(region, false);
      sum ^= regions.touch(region, ODD_PAGE);
      regions.setWritable(region, true);
      sum ^= regions.touch(region, ODD_PAGE);
    }
    splits += BLOCK;
    return sum;
  };
  for (const region of plain) regions.touch(region, ODD_PAGE);
  const large = regions.fills("largePageTlbFills");
  const raw: Block = (from) => {
    let sum = 0;
    for (let index = from; index < from + BLOCK; index++) {
      const at = words[index % words.length]!;
      sum ^= memory.words[at]! ^ memory.words[at + 1]!;
    }
    return sum;
  };
  const rawRead = nanoseconds(raw, BLOCK);
  const splitAndRejoin = nanoseconds(change, BLOCK);
  const rejoins = regions.fills("largePageTlbFills") - large;
  return { rawRead, splitAndRejoin, changesPerSecond: 2e9 / splitAndRejoin, splits, rejoins };
}
