import { PAGE_SIZE } from "../../binary/index.ts";
import { type FileDevice, type PageFileDevice, TICKS_PER_SECOND } from "../../guest/index.ts";
import { type DeviceFault, SECTOR_BYTES } from "../../storage/index.ts";
import { REQUEST_TIMEOUT } from "./disk-retries.ts";
import { HostDisk } from "./host-disk.ts";
import type { Scenario } from "./scenario/schema.ts";

const PAGE_SECTORS = PAGE_SIZE / SECTOR_BYTES;

/** When a guest of this start hears of something, in 100 ns of the host's clock. */
type Deliver = (at: number, action: () => void) => void;

/** What a scenario has on the host's disk, and when dumps of partitions that go on are wanted. It outlives a start of the host. */
export class HostStorage {
  readonly disk: HostDisk;
  readonly #sizes = new Map<string, number>();
  readonly #firstSectors = new Map<string, number>();
  readonly #firstFileSectors = new Map<string, number>();
  /** The start of each partition that is running: what an earlier one asked the disk for is nobody's any more. */
  readonly #starts = new Map<string, object>();
  readonly #faults: Scenario["diskFaults"];
  readonly #liveDumps: { readonly partition: string; readonly at: number }[];

  /** Throws `scenario/streams` and `scenario/disk-space` as `HostDisk` does. */
  constructor({ partitions, diskFaults, media, liveDumps }: Scenario, seed: number) {
    let used = 0;
    for (const { name, pageFile } of partitions) {
      if (pageFile === undefined) continue;
      this.#sizes.set(name, pageFile);
      this.#firstSectors.set(name, used);
      used += pageFile / SECTOR_BYTES;
    }
    for (const { name, processes } of partitions) {
      this.#firstFileSectors.set(name, used);
      used += processes.reduce((sum, { reads, count }) => sum + count * (reads?.files ?? 0), 0) / SECTOR_BYTES;
    }
    this.#faults = diskFaults;
    const [first] = this.#firstSectors.keys();
    const sectorOf = (page: number, partition: string | undefined) =>
      (this.#firstSectors.get(partition ?? first ?? "") ?? 0) + page * PAGE_SECTORS;
    const faults = diskFaults.flatMap((fault) => deviceFaults(fault, sectorOf));
    this.disk = new HostDisk({ faults, streams: media?.streams ?? 0, seed, usedSectors: used });
    this.#liveDumps = liveDumps
      .map(({ partition, at }) => ({ partition, at: at * TICKS_PER_SECOND }))
      .toSorted((a, b) => a.at - b.at);
  }

  /** What a partition that starts now has on the disk; its page file is null where it has none. `now` tells the host's time. */
  startOf(
    partition: string,
    now: () => number,
    deliver: Deliver,
  ): { readonly pageFile: PageFileDevice | null; readonly files: FileDevice } {
    const start = {};
    this.#starts.set(partition, start);
    const own: Deliver = (at, action) => {
      if (this.#starts.get(partition) === start) deliver(at, action);
    };
    const bytes = this.#sizes.get(partition);
    return {
      pageFile:
        bytes === undefined
          ? null
          : this.disk.pageFile(this.#firstSectors.get(partition)!, bytes / PAGE_SIZE, now, own),
      files: this.disk.files(this.#firstFileSectors.get(partition)!, now, own),
    };
  }

  /** What the page file of a partition holds. A partition without one has none of it. */
  pageFileContent(partition: string): Uint8Array {
    return this.disk.contentOf(this.#firstSectors.get(partition) ?? 0, (this.#sizes.get(partition) ?? 0) / PAGE_SIZE);
  }

  /** Host time from which on something is wrong with what a partition has in its page file; Infinity: nothing ever is. */
  failsFrom(partition: string): number {
    if (!this.#sizes.has(partition)) return Number.POSITIVE_INFINITY;
    const [first] = this.#firstSectors.keys();
    const own = this.#faults.filter((fault) => !("page" in fault) || (fault.partition ?? first) === partition);
    return Math.min(...own.map(({ at }) => at * TICKS_PER_SECOND));
  }

  /** When the next live dump is wanted; Infinity: none is. */
  get nextLiveDump(): number {
    return this.#liveDumps[0]?.at ?? Number.POSITIVE_INFINITY;
  }

  /** Whose it is; the one after it is next. */
  takeLiveDump(): string {
    return this.#liveDumps.shift()!.partition;
  }
}

/** What a scenario wants to go wrong with its disk, in milliseconds and sectors. */
function deviceFaults(
  fault: Scenario["diskFaults"][number],
  sectorOf: (page: number, partition: string | undefined) => number,
): DeviceFault[] {
  const from = fault.at * 1000;
  switch (fault.kind) {
    case "unreadable":
      return [{ kind: "unreadable", from, sector: sectorOf(fault.page, fault.partition), sectors: 1 }];
    case "slow":
      return [
        {
          kind: "slow",
          from,
          sector: sectorOf(fault.page, fault.partition),
          sectors: PAGE_SECTORS,
          delay: fault.delay * 1000,
        },
      ];
    case "timeout":
      return Array<DeviceFault>(fault.times).fill({ kind: "timeout", from, after: REQUEST_TIMEOUT });
    case "torn-write":
    case "reset":
      return Array<DeviceFault>(fault.times).fill({ kind: fault.kind, from });
    case "dead":
      return [{ kind: "dead", from }];
  }
}
