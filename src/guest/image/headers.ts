import {
  coffHeader,
  DOS_MAGIC,
  dataDirectory,
  dosHeader,
  MACHINE_X64,
  optionalHeader,
  PE_SIGNATURE,
  PE32_PLUS_MAGIC,
  SECTION,
  sectionHeader,
} from "../../binary/index.ts";
import type { ImageSection, SectionAccess } from "./image-declaration.ts";

export const SECTION_ALIGNMENT = 0x1000;

const HEADERS_BYTES = 0x400;
const NT_HEADERS_AT = 0x80;
const DIRECTORIES = 16;
const EXECUTABLE_LARGE_ADDRESS_AWARE = 0x0022;
const SUBSYSTEM_NATIVE = 1;

const CHARACTERISTICS: Readonly<Record<SectionAccess, number>> = {
  code: SECTION.code | SECTION.execute | SECTION.read | SECTION.notPaged,
  "read-only": SECTION.initializedData | SECTION.read,
  data: SECTION.initializedData | SECTION.read | SECTION.write,
};

export interface HeaderFacts {
  readonly timeDateStamp: number;
  readonly checkSum: number;
  /** RVA. */
  readonly entryPoint: number;
  readonly sections: readonly ImageSection[];
  /** By index: see DIRECTORY. */
  readonly directories: readonly { readonly index: number; readonly rva: number; readonly bytes: number }[];
}

/** Writes the DOS, NT and section headers of an image whose file offsets are its RVAs. */
export function writeHeaders(image: Uint8Array, facts: HeaderFacts): void {
  const optionalAt = NT_HEADERS_AT + coffHeader.size;
  const directoriesAt = optionalAt + optionalHeader.size;
  const sectionsAt = directoriesAt + DIRECTORIES * dataDirectory.size;
  const codeBytes = wholePages(facts.sections.find(({ access }) => access === "code")?.bytes ?? 0);
  dosHeader.write(image, 0, { magic: DOS_MAGIC, newHeader: NT_HEADERS_AT });
  coffHeader.write(image, NT_HEADERS_AT, {
    signature: PE_SIGNATURE,
    machine: MACHINE_X64,
    numberOfSections: facts.sections.length,
    timeDateStamp: facts.timeDateStamp,
    sizeOfOptionalHeader: sectionsAt - optionalAt,
    characteristics: EXECUTABLE_LARGE_ADDRESS_AWARE,
  });
  optionalHeader.write(image, optionalAt, {
    magic: PE32_PLUS_MAGIC,
    majorLinkerVersion: 14,
    sizeOfCode: codeBytes,
    sizeOfInitializedData: image.length - SECTION_ALIGNMENT - codeBytes,
    addressOfEntryPoint: facts.entryPoint,
    baseOfCode: SECTION_ALIGNMENT,
    sectionAlignment: SECTION_ALIGNMENT,
    fileAlignment: SECTION_ALIGNMENT,
    majorOperatingSystemVersion: 10,
    majorImageVersion: 10,
    majorSubsystemVersion: 10,
    sizeOfImage: image.length,
    sizeOfHeaders: HEADERS_BYTES,
    checkSum: facts.checkSum,
    subsystem: SUBSYSTEM_NATIVE,
    numberOfRvaAndSizes: DIRECTORIES,
  });
  for (const { index, rva, bytes } of facts.directories)
    dataDirectory.write(image, directoriesAt + index * dataDirectory.size, { virtualAddress: rva, size: bytes });
  facts.sections.forEach(({ name, begin, bytes, access }, index) => {
    sectionHeader.write(image, sectionsAt + index * sectionHeader.size, {
      name,
      virtualSize: bytes,
      virtualAddress: begin,
      sizeOfRawData: wholePages(bytes),
      pointerToRawData: begin,
      characteristics: CHARACTERISTICS[access],
    });
  });
}

export const wholePages = (bytes: number): number => Math.ceil(bytes / SECTION_ALIGNMENT) * SECTION_ALIGNMENT;
