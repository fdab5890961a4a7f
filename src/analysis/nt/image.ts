import {
  CODEVIEW_RSDS,
  codeViewPdb70,
  coffHeader,
  DEBUG_TYPE_CODEVIEW,
  DIRECTORY,
  DOS_MAGIC,
  dataDirectory,
  debugDirectory,
  dosHeader,
  exportDirectory,
  optionalHeader,
  PE_SIGNATURE,
  PE32_PLUS_MAGIC,
  runtimeFunction,
  SECTION,
  sectionHeader,
  type ValuesOf,
} from "../../binary/index.ts";

/** Bytes of an image by RVA, from memory or laid out from a file; null where any of them is missing. */
export type ReadImage = (rva: number, length: number) => Uint8Array | null;

export type RuntimeFunction = ValuesOf<typeof runtimeFunction.fields>;
export type SectionHeader = ValuesOf<typeof sectionHeader.fields>;

export interface ExportedFunction {
  readonly name: string;
  readonly rva: number;
}

/** What finds the program database of an image: its GUID as debuggers write it, its age, its path. */
export interface DebugIdentity {
  readonly guid: string;
  readonly age: number;
  readonly path: string;
}

// What a kernel image really has stays far below these; a damaged one may claim anything.
const MOST_SECTIONS = 96;
const MOST_EXPORTS = 65_536;
const LONGEST_NAME = 512;

/** Reads a declared structure at an RVA; null where it is not there. */
export function readAt<T>(
  read: ReadImage,
  table: { readonly size: number; read(bytes: Uint8Array): T },
  rva: number,
): T | null {
  const bytes = read(rva, table.size);
  return bytes && table.read(bytes);
}

/** A PE32+ image as it lies in memory: sections, exports, function table. Every answer is null where bytes are missing. */
export class Image {
  readonly read: ReadImage;
  readonly machine: number;
  readonly timeDateStamp: number;
  /** Bytes in memory. */
  readonly size: number;
  /** Null when the section headers cannot be read. */
  readonly sections: readonly SectionHeader[] | null;
  readonly #directories: number;
  readonly #directoryCount: number;
  #exports: readonly ExportedFunction[] | undefined;

  private constructor(
    read: ReadImage,
    machine: number,
    timeDateStamp: number,
    size: number,
    sections: readonly SectionHeader[] | null,
    directories: number,
    directoryCount: number,
  ) {
    this.read = read;
    this.machine = machine;
    this.timeDateStamp = timeDateStamp;
    this.size = size;
    this.sections = sections;
    this.#directories = directories;
    this.#directoryCount = directoryCount;
  }

  /** Null when there is no readable PE32+ header. */
  static open(read: ReadImage): Image | null {
    const dos = readAt(read, dosHeader, 0);
    if (dos?.magic !== DOS_MAGIC) return null;
    const coff = readAt(read, coffHeader, dos.newHeader);
    if (coff?.signature !== PE_SIGNATURE) return null;
    const optionalAt = dos.newHeader + coffHeader.size;
    const optional = readAt(read, optionalHeader, optionalAt);
    if (optional?.magic !== PE32_PLUS_MAGIC) return null;
    return new Image(
      read,
      coff.machine,
      coff.timeDateStamp,
      optional.sizeOfImage,
      readSections(read, optionalAt + coff.sizeOfOptionalHeader, coff.numberOfSections),
      optionalAt + optionalHeader.size,
      optional.numberOfRvaAndSizes,
    );
  }

  /** Where a data directory lies; null when it is empty or outside the image. */
  directory(index: number): { rva: number; size: number } | null {
    if (index >= this.#directoryCount) return null;
    const entry = readAt(this.read, dataDirectory, this.#directories + index * dataDirectory.size);
    if (!entry || entry.virtualAddress === 0 || entry.size === 0) return null;
    return entry.virtualAddress + entry.size > this.size ? null : { rva: entry.virtualAddress, size: entry.size };
  }

  /** Whether code lies at an RVA; null when the section headers are not known. */
  isCode(rva: number): boolean | null {
    if (!this.sections) return null;
    const section = this.sections.find((s) => rva >= s.virtualAddress && rva < s.virtualAddress + s.virtualSize);
    return section !== undefined && (section.characteristics & SECTION.execute) !== 0;
  }

  /**
   * The function whose code holds `rva`; `leaf` when the table has none, null when the table cannot be read. An entry that shares the
   * unwind information of another (bit 0 of its RVA) is answered with that other one.
   */
  runtimeFunction(rva: number): RuntimeFunction | "leaf" | null {
    const table = this.directory(DIRECTORY.exception);
    if (!table) return null;
    let low = 0;
    let high = Math.floor(table.size / runtimeFunction.size) - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      const entry = readAt(this.read, runtimeFunction, table.rva + middle * runtimeFunction.size);
      if (!entry) return null;
      if (rva < entry.beginAddress) high = middle - 1;
      else if (rva >= entry.endAddress) low = middle + 1;
      else return entry.unwindInfo & 1 ? readAt(this.read, runtimeFunction, entry.unwindInfo - 1) : entry;
    }
    return "leaf";
  }

  /** Exported functions by address, ascending; empty when there are none or they cannot be read. */
  exports(): readonly ExportedFunction[] {
    this.#exports ??= readExports(this);
    return this.#exports;
  }

  /** The exported function at or below an RVA. */
  exportBelow(rva: number): ExportedFunction | null {
    const all = this.exports();
    let low = 0;
    let high = all.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (all[middle]!.rva <= rva) low = middle + 1;
      else high = middle;
    }
    return all[low - 1] ?? null;
  }

  debugIdentity(): DebugIdentity | null {
    const directory = this.directory(DIRECTORY.debug);
    if (!directory) return null;
    const count = Math.min(Math.floor(directory.size / debugDirectory.size), 16);
    for (let i = 0; i < count; i++) {
      const entry = readAt(this.read, debugDirectory, directory.rva + i * debugDirectory.size);
      if (entry?.type !== DEBUG_TYPE_CODEVIEW) continue;
      const record = readAt(this.read, codeViewPdb70, entry.addressOfRawData);
      if (record?.signature !== CODEVIEW_RSDS) continue;
      const path = imageText(this.read, entry.addressOfRawData + codeViewPdb70.size) ?? "";
      return { guid: guidText(record.guid), age: record.age, path };
    }
    return null;
  }
}

function readSections(read: ReadImage, rva: number, count: number): readonly SectionHeader[] | null {
  if (count > MOST_SECTIONS) return null;
  const found: SectionHeader[] = [];
  for (let i = 0; i < count; i++) {
    const section = readAt(read, sectionHeader, rva + i * sectionHeader.size);
    if (!section) return null;
    found.push(section);
  }
  return found;
}

function readExports(image: Image): readonly ExportedFunction[] {
  const at = image.directory(DIRECTORY.export);
  const directory = at && readAt(image.read, exportDirectory, at.rva);
  if (!at || !directory || directory.numberOfNames > MOST_EXPORTS || directory.numberOfFunctions > MOST_EXPORTS)
    return [];
  const names = words(image.read(directory.addressOfNames, directory.numberOfNames * 4));
  const ordinals = image.read(directory.addressOfNameOrdinals, directory.numberOfNames * 2);
  const functions = words(image.read(directory.addressOfFunctions, directory.numberOfFunctions * 4));
  if (!names || !ordinals || !functions) return [];
  const found: ExportedFunction[] = [];
  for (let i = 0; i < names.length; i++) {
    const rva = functions[ordinals[2 * i]! + ordinals[2 * i + 1]! * 0x100];
    // An address inside the export directory is a forwarder's text, not a function.
    if (rva === undefined || rva === 0 || (rva >= at.rva && rva < at.rva + at.size)) continue;
    const name = imageText(image.read, names[i]!);
    if (name !== null) found.push({ name, rva });
  }
  return found.sort((a, b) => a.rva - b.rva);
}

function words(bytes: Uint8Array | null): Uint32Array | null {
  if (!bytes) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Uint32Array.from({ length: bytes.byteLength >> 2 }, (_, i) => view.getUint32(i * 4, true));
}

/** ASCII up to its NUL, read in pieces that never cross a page: the next one may be missing. */
function imageText(read: ReadImage, rva: number): string | null {
  let found = "";
  while (found.length < LONGEST_NAME) {
    const at = rva + found.length;
    const piece = read(at, Math.min(64, 0x1000 - (at & 0xfff))) ?? read(at, 1);
    if (!piece) return null;
    const end = piece.indexOf(0);
    found += Buffer.from(piece).toString("latin1", 0, end < 0 ? piece.length : end);
    if (end >= 0) return found;
  }
  return null;
}

function guidText(guid: Uint8Array): string {
  const order = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
  return order.map((i) => guid[i]!.toString(16).padStart(2, "0").toUpperCase()).join("");
}
