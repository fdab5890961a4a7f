import { DIRECTORY, debugDirectory, runtimeFunction, unwindInfo } from "../../binary/index.ts";
import { type AssembledFunction, Assembler } from "./assembler.ts";
import { debugDirectoryBytes } from "./debug-directory.ts";
import { exportDirectoryBytes } from "./export-directory.ts";
import { SECTION_ALIGNMENT, wholePages, writeHeaders } from "./headers.ts";
import type { BuiltImage, DataDeclaration, ImageDeclaration, ImageSection } from "./image-declaration.ts";

const VARIABLE_ALIGNMENT = 16;
const TABLE_ALIGNMENT = 4;

/** Lays an image out: headers, .text, .data, .rdata (unwind information, debug and export directory), .pdata. */
export function buildImage(declaration: ImageDeclaration): BuiltImage {
  const { name } = declaration;
  const assembler = new Assembler(SECTION_ALIGNMENT);
  const functions = declaration.functions.map((one) => assembler.add(one));
  const code = assembler.code;
  const timeDateStamp = fingerprint(name, code);

  const dataAt = SECTION_ALIGNMENT + wholePages(code.length);
  const { variables, end: dataEnd } = placeVariables(declaration.data ?? [], dataAt);
  const readOnly = new Pieces(dataAt + wholePages(dataEnd - dataAt));
  const unwindRvas = functions.map((one) => readOnly.add(unwindBytes(one)));
  const debugAt = readOnly.add(debugDirectoryBytes(readOnly.end, name, timeDateStamp));
  const exports = [
    ...functions.map((one) => ({ name: one.name, rva: one.begin })),
    ...(declaration.exportedData ?? []).map((one) => ({ name: one, rva: variables.get(one)! })),
  ];
  const exportAt = readOnly.add(exportDirectoryBytes(readOnly.end, name, timeDateStamp, exports));
  const pdata = new Pieces(readOnly.begin + wholePages(readOnly.end - readOnly.begin));
  functions.forEach((one, index) => {
    pdata.add(runtimeFunctionBytes(one, unwindRvas[index]!));
  });

  const bytes = new Uint8Array(pdata.begin + wholePages(pdata.end - pdata.begin));
  bytes.set(code, SECTION_ALIGNMENT);
  readOnly.copyTo(bytes);
  pdata.copyTo(bytes);
  const sections: ImageSection[] = [
    { name: ".text", begin: SECTION_ALIGNMENT, bytes: code.length, access: "code" },
    { name: ".data", begin: dataAt, bytes: dataEnd - dataAt, access: "data" },
    { name: ".rdata", begin: readOnly.begin, bytes: readOnly.end - readOnly.begin, access: "read-only" },
    { name: ".pdata", begin: pdata.begin, bytes: pdata.end - pdata.begin, access: "read-only" },
  ];
  const entry = functions.find((one) => one.name === "DriverEntry" || one.name === "KiSystemStartup");
  const entryPoint = entry?.begin ?? 0;
  const checkSum = fingerprint(name, bytes) & 0xf_ffff; // as large as those of real images of this size
  writeHeaders(bytes, {
    timeDateStamp,
    checkSum,
    entryPoint,
    sections,
    directories: [
      { index: DIRECTORY.export, rva: exportAt, bytes: readOnly.end - exportAt },
      { index: DIRECTORY.exception, rva: pdata.begin, bytes: pdata.end - pdata.begin },
      { index: DIRECTORY.debug, rva: debugAt, bytes: debugDirectory.size },
    ],
  });
  return {
    name,
    bytes,
    functions: new Map(functions.map((one) => [one.name, one])),
    data: variables,
    entryPoint,
    timeDateStamp,
    checkSum,
    fixups: assembler.fixups.map(({ at, target }) => ({ at: at + SECTION_ALIGNMENT, target })),
    sections,
  };
}

/** A section that grows piece by piece. */
class Pieces {
  /** RVA. */
  readonly begin: number;
  readonly #pieces: { readonly rva: number; readonly bytes: Uint8Array }[] = [];
  #end: number;

  constructor(begin: number) {
    this.begin = begin;
    this.#end = begin;
  }

  /** RVA of the next piece. */
  get end(): number {
    return this.#end;
  }

  add(bytes: Uint8Array): number {
    const rva = this.#end;
    this.#pieces.push({ rva, bytes });
    this.#end += Math.ceil(bytes.length / TABLE_ALIGNMENT) * TABLE_ALIGNMENT;
    return rva;
  }

  copyTo(image: Uint8Array): void {
    for (const { rva, bytes } of this.#pieces) image.set(bytes, rva);
  }
}

function placeVariables(data: readonly DataDeclaration[], begin: number) {
  const variables = new Map<string, number>();
  let end = begin;
  for (const { name, bytes } of data) {
    end = Math.ceil(end / VARIABLE_ALIGNMENT) * VARIABLE_ALIGNMENT;
    variables.set(name, end);
    end += bytes;
  }
  // Even an image without variables has a .data section, as drivers do for their security cookie.
  return { variables, end: Math.max(end, begin + VARIABLE_ALIGNMENT) };
}

function unwindBytes({ unwindCodes, prologBytes }: AssembledFunction): Uint8Array {
  const bytes = new Uint8Array(unwindInfo.size + unwindCodes.length);
  unwindInfo.write(bytes, 0, {
    versionAndFlags: 1,
    sizeOfProlog: prologBytes,
    countOfCodes: unwindCodes.length / 2,
    frameRegisterAndOffset: 0,
  });
  bytes.set(unwindCodes, unwindInfo.size);
  return bytes;
}

function runtimeFunctionBytes({ begin, end }: AssembledFunction, unwindRva: number): Uint8Array {
  const bytes = new Uint8Array(runtimeFunction.size);
  runtimeFunction.write(bytes, 0, { beginAddress: begin, endAddress: end, unwindInfo: unwindRva });
  return bytes;
}

/** FNV-1a: a reproducible build has a hash of its content where others have the date. */
function fingerprint(name: string, content: Uint8Array): number {
  let hash = 0x811c_9dc5;
  for (const letter of name) hash = Math.imul(hash ^ letter.charCodeAt(0), 0x0100_0193);
  for (const byte of content) hash = Math.imul(hash ^ byte, 0x0100_0193);
  return hash >>> 0;
}
