import { CODEVIEW_RSDS, codeViewPdb70, DEBUG_TYPE_CODEVIEW, debugDirectory } from "../../binary/index.ts";

const GUID_BYTES = 16;

/** A debug directory of one entry, and behind it the record that names the program database: `leakdrv.pdb` and its GUID. */
export function debugDirectoryBytes(rva: number, imageName: string, timeDateStamp: number): Uint8Array {
  const path = new TextEncoder().encode(`${imageName.replace(/\.[^.]*$/, "")}.pdb\0`);
  const recordAt = debugDirectory.size;
  const bytes = new Uint8Array(recordAt + codeViewPdb70.size + path.length);
  debugDirectory.write(bytes, 0, {
    timeDateStamp,
    type: DEBUG_TYPE_CODEVIEW,
    sizeOfData: codeViewPdb70.size + path.length,
    addressOfRawData: rva + recordAt,
    pointerToRawData: rva + recordAt,
  });
  codeViewPdb70.write(bytes, recordAt, { signature: CODEVIEW_RSDS, guid: guidOf(timeDateStamp), age: 1 });
  bytes.set(path, recordAt + codeViewPdb70.size);
  return bytes;
}

/** The same content has the same GUID. */
function guidOf(fingerprint: number): Uint8Array {
  return Uint8Array.from(
    { length: GUID_BYTES },
    (_, index) => Math.imul(fingerprint ^ Math.imul(index + 1, 0x9e37_79b1), 0x85eb_ca6b) >>> 24,
  );
}
