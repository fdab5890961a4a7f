import { Image } from "../../../src/analysis/nt/image.ts";
import {
  coffHeader,
  DIRECTORY,
  DOS_MAGIC,
  dataDirectory,
  dosHeader,
  exportDirectory,
  MACHINE_X64,
  optionalHeader,
  PE_SIGNATURE,
  PE32_PLUS_MAGIC,
  runtimeFunction,
  SECTION,
  sectionHeader,
  unwindInfo,
} from "../../../src/binary/index.ts";

export interface SmallFunction {
  /** RVA, at least CODE. */
  readonly begin: number;
  readonly code: readonly number[];
  readonly prologBytes: number;
  readonly unwindCodes: readonly number[];
  /** Register number and offset in 16 bytes; 0 for none. */
  readonly frameRegisterAndOffset?: number;
  readonly flags?: number;
  /** Behind the unwind codes: a chained function's parent, by its place among the functions. */
  readonly parent?: number;
}

export const CODE = 0x1000;
const TABLE = 0x8000;
const EXPORTS = 0xc000;
const INFO = 0x9000;
export const IMAGE_SIZE = 0x10000;

/** An image in memory with a code section, a function table to unwind by, and names (by RVA) in its export directory. */
export function smallImage(
  functions: readonly SmallFunction[],
  exported: Readonly<Record<string, number>> = {},
): { bytes: Uint8Array; image: Image } {
  const bytes = new Uint8Array(IMAGE_SIZE);
  dosHeader.write(bytes, 0, { magic: DOS_MAGIC, newHeader: 0x80 });
  const optional = 0x80 + coffHeader.size;
  const directories = optional + optionalHeader.size;
  const sections = directories + 16 * dataDirectory.size;
  coffHeader.write(bytes, 0x80, {
    signature: PE_SIGNATURE,
    machine: MACHINE_X64,
    numberOfSections: 1,
    sizeOfOptionalHeader: sections - optional,
  });
  optionalHeader.write(bytes, optional, { magic: PE32_PLUS_MAGIC, sizeOfImage: IMAGE_SIZE, numberOfRvaAndSizes: 16 });
  dataDirectory.write(bytes, directories + DIRECTORY.exception * dataDirectory.size, {
    virtualAddress: TABLE,
    size: functions.length * runtimeFunction.size,
  });
  sectionHeader.write(bytes, sections, {
    name: ".text",
    virtualAddress: CODE,
    virtualSize: TABLE - CODE,
    characteristics: SECTION.code | SECTION.execute,
  });
  const names = Object.keys(exported).sort();
  dataDirectory.write(bytes, directories + DIRECTORY.export * dataDirectory.size, {
    virtualAddress: EXPORTS,
    size: 0x1000,
  });
  exportDirectory.write(bytes, EXPORTS, {
    ...{ numberOfFunctions: names.length, numberOfNames: names.length },
    ...{ addressOfFunctions: EXPORTS + 0x100, addressOfNames: EXPORTS + 0x200, addressOfNameOrdinals: EXPORTS + 0x300 },
  });
  const view = new DataView(bytes.buffer);
  names.forEach((name, i) => {
    view.setUint32(EXPORTS + 0x100 + 4 * i, exported[name]!, true);
    view.setUint32(EXPORTS + 0x200 + 4 * i, EXPORTS + 0x400 + 64 * i, true);
    view.setUint16(EXPORTS + 0x300 + 2 * i, i, true);
    bytes.set(Buffer.from(`${name}\0`), EXPORTS + 0x400 + 64 * i);
  });
  const entries = functions.map((one, i) => ({
    beginAddress: one.begin,
    endAddress: one.begin + one.code.length,
    unwindInfo: INFO + i * 0x400,
  }));
  functions.forEach((one, i) => {
    const info = entries[i]!.unwindInfo;
    bytes.set(one.code, one.begin);
    runtimeFunction.write(bytes, TABLE + i * runtimeFunction.size, entries[i]!);
    unwindInfo.write(bytes, info, {
      versionAndFlags: 1 | ((one.flags ?? 0) << 3),
      sizeOfProlog: one.prologBytes,
      countOfCodes: one.unwindCodes.length / 2,
      frameRegisterAndOffset: one.frameRegisterAndOffset ?? 0,
    });
    bytes.set(one.unwindCodes, info + unwindInfo.size);
    if (one.parent !== undefined)
      runtimeFunction.write(
        bytes,
        info + unwindInfo.size + Math.ceil(one.unwindCodes.length / 4) * 4,
        entries[one.parent]!,
      );
  });
  return {
    bytes,
    image: Image.open((rva, length) => (rva + length <= bytes.length ? bytes.slice(rva, rva + length) : null))!,
  };
}
