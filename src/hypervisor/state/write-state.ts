import { crc32 } from "node:zlib";
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
  PARTITION_ROWS,
  PARTITION_WORDS,
  type Section,
  type Sections,
} from "./tables.ts";

interface Piece {
  readonly kind: number;
  readonly partition: number;
  readonly rowBytes: number;
  readonly bytes: Uint8Array;
}

const VALID_AT = regionHeader.fields.valid.offset;

/**
 * The state as it lies in the crash region, valid. Where it would take more than `most` bytes, the largest sections are left
 * out, and the header says how many.
 */
export function writeState(state: HypervisorState, most = Number.POSITIVE_INFINITY): Uint8Array {
  const pieces = piecesOf(state);
  const kept = fitting(pieces, most);
  const header = regionHeader.size + kept.length * sectionEntry.size;
  const region = new Uint8Array(kept.reduce((at, { bytes }) => aligned(at + bytes.length), header));
  let at = header;
  kept.forEach(({ kind, partition, rowBytes, bytes }, index) => {
    region.set(bytes, at);
    const next = aligned(at + bytes.length);
    const checksum = crc32(region.subarray(at, next));
    const entry = { kind, partition, offset: at, bytes: bytes.length, rowBytes, checksum };
    sectionEntry.write(region, regionHeader.size + index * sectionEntry.size, entry);
    at = next;
  });
  const [parameter1, parameter2, parameter3, parameter4] = state.parameters;
  regionHeader.write(region, 0, {
    magic: REGION_MAGIC,
    version: REGION_VERSION,
    bytes: region.length,
    sections: kept.length,
    stopCode: state.stopCode,
    omitted: pieces.length - kept.length,
    parameter1,
    parameter2,
    parameter3,
    parameter4,
    serial: state.serial,
    forgottenUpTo: state.forgottenUpTo,
    hostFrames: state.hostFrames,
    partitions: state.partitions.length,
  });
  regionHeader.write(region, 0, { checksum: crc32(region.subarray(0, header)) });
  regionHeader.write(region, 0, { valid: REGION_VALID });
  return region;
}

/**
 * Puts a written state where the agent will look: everything, and last of all the valid flag (systems.md 2.4). Until then what
 * lies there is not a state.
 * @param put writes bytes at an offset of the region
 */
export function transport(region: Uint8Array, put: (offset: number, bytes: Uint8Array) => void): void {
  const valid = region.slice(VALID_AT, VALID_AT + regionHeader.fields.valid.bytes);
  const body = region.slice();
  regionHeader.write(body, 0, { valid: 0 });
  put(0, body);
  put(VALID_AT, valid);
}

function piecesOf(state: HypervisorState): Piece[] {
  const pieces: Piece[] = [];
  const add = (sections: Sections, values: object, partition: number) => {
    for (const [name, section] of Object.entries(sections)) {
      const bytes = bytesOf(section, (values as Record<string, Int32Array | readonly object[]>)[name]!);
      pieces.push({ kind: section.kind, partition, rowBytes: section.row.size, bytes });
    }
  };
  add(MACHINE_ROWS, state, OF_MACHINE);
  state.partitions.forEach((partition, number) => {
    pieces.push({ kind: NAME_KIND, partition: number, rowBytes: 1, bytes: new TextEncoder().encode(partition.name) });
    add(PARTITION_ROWS, partition, number);
    add(PARTITION_WORDS, partition, number);
  });
  return pieces;
}

function bytesOf({ row }: Section, values: Int32Array | readonly object[]): Uint8Array {
  if (values instanceof Int32Array) return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  const bytes = new Uint8Array(values.length * row.size);
  values.forEach((value, index) => {
    row.write(bytes, index * row.size, value);
  });
  return bytes;
}

/** In the same order, without the largest where they are too many. */
function fitting(pieces: readonly Piece[], most: number): readonly Piece[] {
  let bytes = regionHeader.size;
  const bySize = [...pieces].sort((a, b) => a.bytes.length - b.bytes.length);
  const kept = new Set<Piece>();
  for (const piece of bySize) {
    bytes += sectionEntry.size + aligned(piece.bytes.length);
    if (bytes > most) break;
    kept.add(piece);
  }
  return pieces.filter((piece) => kept.has(piece));
}
