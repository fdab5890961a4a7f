import { crc32 } from "node:zlib";
import { StopcodeError } from "../../binary/index.ts";
import {
  aligned,
  OF_MACHINE,
  REGION_MAGIC,
  REGION_VALID,
  REGION_VERSION,
  regionHeader,
  sectionEntry,
} from "./region-layout.ts";
import {
  type HypervisorState,
  MACHINE_ROWS,
  NAME_KIND,
  type OmittedSection,
  PARTITION_ROWS,
  PARTITION_WORDS,
  type PartitionState,
  type Sections,
} from "./tables.ts";

type SectionEntry = ReturnType<typeof sectionEntry.read>;

/**
 * Reads a crash region back.
 * @param region from its first byte on; what follows its end may follow here too
 * @throws StopcodeError `hypervisor/state` where it is not valid, not whole or not of this version: what, and at which byte
 */
export function readState(region: Uint8Array): HypervisorState {
  if (region.length < regionHeader.size) throw refused("is cut short: there is not even a header", region.length);
  const header = regionHeader.read(region);
  const { fields } = regionHeader;
  if (header.magic !== REGION_MAGIC)
    throw refused("does not begin as a hypervisor's crash region", fields.magic.offset);
  if (header.version !== REGION_VERSION)
    throw refused(`has version ${header.version}, not ${REGION_VERSION}`, fields.version.offset);
  if (header.valid !== REGION_VALID)
    throw refused("is not valid: the hypervisor did not finish writing it", fields.valid.offset);
  if (header.bytes > region.length)
    throw refused(`is cut short: of ${header.bytes} bytes, ${region.length} are there`, region.length);
  const end = regionHeader.size + header.sections * sectionEntry.size;
  if (end > header.bytes) throw refused(`has no room for ${header.sections} section entries`, fields.sections.offset);
  const head = Uint8Array.from(region.subarray(0, end));
  regionHeader.write(head, 0, { checksum: 0, valid: 0 });
  if (crc32(head) !== header.checksum)
    throw refused("has a damaged header: its checksum does not fit", fields.checksum.offset);
  const sections = Array.from({ length: header.sections }, (_, index) =>
    sectionEntry.read(region, regionHeader.size + index * sectionEntry.size),
  );
  const find = (kind: number, partition: number) => {
    const entry = sections.find((section) => section.kind === kind && section.partition === partition);
    return entry === undefined ? null : sectionBytes(region, entry);
  };
  for (const entry of sections) sectionBytes(region, entry);
  return {
    stopCode: header.stopCode,
    parameters: [header.parameter1, header.parameter2, header.parameter3, header.parameter4],
    serial: header.serial,
    forgottenUpTo: header.forgottenUpTo,
    hostFrames: header.hostFrames,
    omitted: missing(sections, header.partitions),
    partitions: Array.from({ length: header.partitions }, (_, number) => {
      const name = new TextDecoder().decode(find(NAME_KIND, number) ?? new Uint8Array(0));
      const bytes = (kind: number) => find(kind, number);
      return { name, ...rows(PARTITION_ROWS, bytes), ...words(bytes) } as PartitionState;
    }),
    ...(rows(MACHINE_ROWS, (kind) => find(kind, OF_MACHINE)) as Pick<HypervisorState, keyof typeof MACHINE_ROWS>),
  };
}

/** The writer leaves no section out but for want of room, not even an empty one. */
function missing(sections: readonly SectionEntry[], partitions: number): OmittedSection[] {
  const there = new Set(sections.map(({ kind, partition }) => `${kind} ${partition}`));
  const omitted = (tables: Sections, partition: number | null) =>
    Object.entries(tables).flatMap(([section, { kind }]) =>
      there.has(`${kind} ${partition ?? OF_MACHINE}`) ? [] : [{ section, partition }],
    );
  const ofPartition = { ...PARTITION_ROWS, ...PARTITION_WORDS };
  const numbers = Array.from({ length: partitions }, (_, number) => number);
  return [...omitted(MACHINE_ROWS, null), ...numbers.flatMap((number) => omitted(ofPartition, number))];
}

/** Bytes that a region takes by its header, or null where no region begins: how much of memory to read. */
export function regionBytes(start: Uint8Array): number | null {
  if (start.length < regionHeader.size) return null;
  const { magic, valid, bytes } = regionHeader.read(start);
  return magic === REGION_MAGIC && valid === REGION_VALID ? bytes : null;
}

function sectionBytes(region: Uint8Array, { kind, offset, bytes, checksum }: SectionEntry): Uint8Array {
  if (offset + bytes > region.length) throw refused(`has a section of kind ${kind} that ends beyond it`, offset);
  if (crc32(region.subarray(offset, aligned(offset + bytes))) !== checksum)
    throw refused(`has a damaged section of kind ${kind} (${bytes} bytes): its checksum does not fit`, offset);
  return region.subarray(offset, offset + bytes);
}

function rows(sections: Sections, bytesOf: (kind: number) => Uint8Array | null): Record<string, readonly object[]> {
  return Object.fromEntries(
    Object.entries(sections).map(([name, { kind, row }]) => {
      const bytes = bytesOf(kind) ?? new Uint8Array(0);
      return [name, Array.from({ length: bytes.length / row.size }, (_, index) => row.read(bytes, index * row.size))];
    }),
  );
}

/** A copy of its own, because words lie at whole 4 bytes of their buffer. All machines this runs on are little-endian. */
function words(bytesOf: (kind: number) => Uint8Array | null): Record<string, Int32Array> {
  return Object.fromEntries(
    Object.entries(PARTITION_WORDS).map(([name, { kind }]) => [
      name,
      new Int32Array(Uint8Array.from(bytesOf(kind) ?? []).buffer),
    ]),
  );
}

function refused(what: string, offset: number): StopcodeError {
  return new StopcodeError("hypervisor/state", `the hypervisor's crash region ${what}`, {
    where: { offset },
  });
}
