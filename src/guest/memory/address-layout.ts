import type { Random } from "../../binary/index.ts";

/** Where the kernel's regions begin: drawn anew from the seed at every start, as Windows does since 2016. */
export interface AddressLayout {
  /** Entry of the page-table root that maps the tables themselves. */
  readonly selfMapIndex: number;
  /** Where the self-map shows the page-table entries. */
  readonly pteBase: bigint;
  readonly pfnDatabase: bigint;
  readonly nonPagedPool: bigint;
  readonly pagedPool: bigint;
  readonly systemPtes: bigint;
  readonly kernelStacks: bigint;
  /** Processor blocks and whatever else boot lays out once. */
  readonly processorBlocks: bigint;
  /** ntoskrnl, hal and the drivers behind one another. */
  readonly images: bigint;
}

const CANONICAL = 0xffff_0000_0000_0000n;
const ROOT_ENTRY_BITS = 39n;
const LARGE_PAGE = 0x20_0000n;

/** Entries of the root that regions are drawn from: 0xFFFF8800'… to 0xFFFFF600'…, below KUSER_SHARED_DATA's. */
const FIRST_ENTRY = 0x110;
const LAST_ENTRY = 0x1ec;
/** 0xFFFFF800'00000000 on: where Windows keeps its images. */
const IMAGES_ENTRY = 0x1f0;

const startOf = (entry: number) => CANONICAL | (BigInt(entry) << ROOT_ENTRY_BITS);

export function drawAddressLayout(random: Random): AddressLayout {
  const entries = random.shuffle(Array.from({ length: LAST_ENTRY - FIRST_ENTRY }, (_, index) => FIRST_ENTRY + index));
  const selfMapIndex = entries.pop()!;
  const region = () => startOf(entries.pop()!) + BigInt(random.below(0x1000)) * LARGE_PAGE;
  return {
    selfMapIndex,
    pteBase: startOf(selfMapIndex),
    pfnDatabase: region(),
    nonPagedPool: region(),
    pagedPool: region(),
    systemPtes: region(),
    kernelStacks: region(),
    processorBlocks: region(),
    // Within 2 GiB that do not cross a multiple of 4 GiB, so that every rel32 call reaches its target.
    images: startOf(IMAGES_ENTRY) + (BigInt(random.below(8)) << 32n) + BigInt(0x40 + random.below(0x300)) * LARGE_PAGE,
  };
}
