import type { Layout } from "../../binary/index.ts";
import { layout, size64, u32 } from "../../binary/index.ts";
import {
  contextRow,
  flushRow,
  mapperRow,
  mapRunRow,
  partitionRow,
  processorRow,
  rootRow,
  shadowEntryRow,
  shadowPageRow,
  spaceRow,
  tableFrameRow,
  tlbSlotRow,
  wordRow,
} from "./partition-layout.ts";
import {
  descriptorRow,
  openRunRow,
  pendingRow,
  rangeRow,
  requestPageRow,
  sharedPageRow,
  transferPageRow,
} from "./sharing-layout.ts";

/** A write to a single entry of a watched table. */
const tableWriteRow = layout("TABLE_WRITE", 0x10, {
  serial: size64(0x00),
  entry: u32(0x08, "host address, in units of 8 bytes"),
});

/** What the state holds of each partition, by the kind of its section: rows, one object each. */
export const PARTITION_ROWS = {
  partition: { kind: 1, row: partitionRow },
  processors: { kind: 2, row: processorRow },
  words: { kind: 3, row: wordRow },
  map: { kind: 4, row: mapRunRow },
  spaces: { kind: 5, row: spaceRow },
  roots: { kind: 6, row: rootRow },
  shadowPages: { kind: 7, row: shadowPageRow },
  tableFrames: { kind: 8, row: tableFrameRow },
  flushes: { kind: 9, row: flushRow },
  contexts: { kind: 10, row: contextRow },
} as const;

/** The same for what there may be a million of: rows lie in one array of 32-bit words. */
export const PARTITION_WORDS = {
  shadowEntries: { kind: 32, row: shadowEntryRow },
  mappers: { kind: 33, row: mapperRow },
  tlbSlots: { kind: 34, row: tlbSlotRow },
} as const;

/** What the state holds of the machine. */
export const MACHINE_ROWS = {
  tableWrites: { kind: 64, row: tableWriteRow },
  ranges: { kind: 65, row: rangeRow },
  sharedPages: { kind: 66, row: sharedPageRow },
  pending: { kind: 67, row: pendingRow },
  descriptors: { kind: 68, row: descriptorRow },
  transferPages: { kind: 69, row: transferPageRow },
  requestPages: { kind: 70, row: requestPageRow },
  openRuns: { kind: 71, row: openRunRow },
} as const;

/** A partition's name in UTF-8. */
export const NAME_KIND = 96;

// biome-ignore lint/suspicious/noExplicitAny: a layout of any fields; the rows' types are inferred from it
export type Section = { readonly kind: number; readonly row: Layout<any> };
export type Sections = Readonly<Record<string, Section>>;
export type RowOf<S extends Section> = Readonly<ReturnType<S["row"]["read"]>>;
export type RowsOf<T extends Sections> = { readonly [K in keyof T]: readonly RowOf<T[K]>[] };

/** Everything of one partition. */
export type PartitionState = { readonly name: string } & RowsOf<typeof PARTITION_ROWS> & {
    readonly [K in keyof typeof PARTITION_WORDS]: Int32Array;
  };

export interface OmittedSection {
  /** Its name in the tables above. */
  readonly section: string;
  /** Number of the partition; null where it is the machine's. */
  readonly partition: number | null;
}

/** The hypervisor's state, as it stood at one moment: plain data, made of the tables above. */
export interface HypervisorState extends RowsOf<typeof MACHINE_ROWS> {
  /** 0 where it was captured while all was well. */
  readonly stopCode: number;
  readonly parameters: readonly [bigint, bigint, bigint, bigint];
  /** The last serial number that a flush or a table write has taken. */
  readonly serial: number;
  readonly forgottenUpTo: number;
  readonly hostFrames: number;
  /** Sections that found no room in the region. */
  readonly omitted: readonly OmittedSection[];
  readonly partitions: readonly PartitionState[];
}
