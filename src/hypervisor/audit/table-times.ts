import type { HypervisorState, PartitionState } from "../state/index.ts";

const ENTRIES = 512;

/** Whether a table entry was written since a flush; or why that is not known. */
export type Written = "yes" | "no" | string;

/** By host frame, how many guest frames of all partitions lead to it; 2 stands for more. */
export function mappedOften({ hostFrames, partitions }: HypervisorState): Uint8Array {
  const times = new Uint8Array(hostFrames);
  for (const { map } of partitions)
    for (const { hostFrame, count } of map)
      for (let frame = hostFrame; frame < hostFrame + count; frame++) if (times[frame]! < 2) times[frame]! += 1;
  return times;
}

/** Single table writes that are remembered, by host address in units of 8 bytes: the last serial number of each. */
export function singleWrites({ tableWrites }: HypervisorState): ReadonlyMap<number, number> {
  return new Map(tableWrites.map(({ entry, serial }) => [entry, serial]));
}

/** When a partition's guest wrote its page tables: what tells a cached translation that may still stand from one that may not. */
export class TableTimes {
  readonly #frames: ReadonlyMap<number, PartitionState["tableFrames"][number]>;
  readonly #single: ReadonlyMap<number, number>;
  readonly #forgottenUpTo: number;
  readonly #mapped: Uint8Array;

  constructor(
    partition: PartitionState,
    single: ReadonlyMap<number, number>,
    forgottenUpTo: number,
    mapped: Uint8Array,
  ) {
    this.#frames = new Map(partition.tableFrames.map((row) => [row.guestFrame, row]));
    this.#single = single;
    this.#forgottenUpTo = forgottenUpTo;
    this.#mapped = mapped;
  }

  /** Serial number since which an entry has surely stood as it does now. A reason, where writes to it are not all seen. */
  lastWrite(guestFrame: number, index: number): number | string {
    const frame = this.#frames.get(guestFrame);
    if (frame === undefined) return "tables that are not shadowed: writes to them are not seen";
    if (frame.handedOut === 1) return "tables in pages that were handed out to be written unseen";
    if (this.#mapped[frame.hostFrame]! > 1) return "tables in pages that are mapped more than once";
    const remembered = this.#single.get(frame.hostFrame * ENTRIES + index);
    return Math.max(frame.wholeWrittenAt, remembered ?? Math.min(frame.singleWrittenAt, this.#forgottenUpTo));
  }

  /** Whether an entry of a guest table may have been written since this serial number. */
  writtenSince(guestFrame: number, index: number, serial: number): Written {
    const last = this.lastWrite(guestFrame, index);
    if (typeof last === "string") return last;
    return last > serial ? "yes" : "no";
  }
}
