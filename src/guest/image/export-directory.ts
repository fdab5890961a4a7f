import { exportDirectory } from "../../binary/index.ts";

export interface Export {
  readonly name: string;
  readonly rva: number;
}

/**
 * An export directory with its tables and names behind it: addresses, names, ordinals, then the texts.
 *
 * @param rva where it will lie
 */
export function exportDirectoryBytes(
  rva: number,
  imageName: string,
  timeDateStamp: number,
  exports: readonly Export[],
): Uint8Array {
  // Loaders look names up by halving: they have to be in the order of their bytes.
  const sorted = exports.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const functionsAt = exportDirectory.size;
  const namesAt = functionsAt + 4 * sorted.length;
  const ordinalsAt = namesAt + 4 * sorted.length;
  const textsAt = ordinalsAt + 2 * sorted.length;
  const texts = new TextEncoder().encode([imageName, ...sorted.map(({ name }) => name), ""].join("\0"));
  const bytes = new Uint8Array(textsAt + texts.length);
  bytes.set(texts, textsAt);
  const view = new DataView(bytes.buffer);
  let textAt = textsAt + imageName.length + 1;
  sorted.forEach((one, index) => {
    view.setUint32(functionsAt + 4 * index, one.rva, true);
    view.setUint32(namesAt + 4 * index, rva + textAt, true);
    view.setUint16(ordinalsAt + 2 * index, index, true);
    textAt += one.name.length + 1;
  });
  exportDirectory.write(bytes, 0, {
    timeDateStamp,
    name: rva + textsAt,
    ordinalBase: 1,
    numberOfFunctions: sorted.length,
    numberOfNames: sorted.length,
    addressOfFunctions: rva + functionsAt,
    addressOfNames: rva + namesAt,
    addressOfNameOrdinals: rva + ordinalsAt,
  });
  return bytes;
}
