import type { TriageDriver, TriageUnloadedDriver } from "../dump.ts";
import type { DumpFile } from "../file.ts";
import { readEntries, type TriageSource } from "./triage-extent.ts";
import { triageDriverEntry, triageString, triageUnloadedDriver, triageUnloadedDriverList } from "./triage-layouts.ts";

/** Longer than any path Windows loads a driver from; keeps a damaged length from copying the file once a driver. */
const MAX_PATH_UNITS = 1024;

/** UTF-16 text up to its NUL. */
const utf16 = (bytes: Uint8Array) =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf16le").split("\0", 1)[0]!;

/** A string of the string pool, or null when it does not lie in the file. */
function stringAt(file: DumpFile, offset: number): string | null {
  if (offset === 0 || offset + triageString.size > file.bytes) return null;
  const { length } = triageString.read(file.read(offset, triageString.size));
  const start = offset + triageString.size;
  if (length > MAX_PATH_UNITS || start + length * 2 > file.bytes) return null;
  return utf16(file.read(start, length * 2));
}

/** The loaded drivers; one whose name cannot be read keeps its place with an empty path. */
export function triageDrivers(source: TriageSource): TriageDriver[] {
  const { driverListOffset, driverCount } = source.index;
  const entries = readEntries(source, "the driver list", triageDriverEntry, driverListOffset, driverCount);
  let nameless = 0;
  const drivers = entries.map((entry) => {
    const path = stringAt(source.file, entry.driverNameOffset);
    if (path === null) nameless++;
    return {
      path: path ?? "",
      base: entry.dllBase,
      size: entry.sizeOfImage,
      checkSum: entry.checkSum,
      timeDateStamp: entry.timeDateStamp,
    };
  });
  if (nameless > 0)
    source.problems.push({
      code: "bad-triage-field",
      message: `the names of ${nameless} of ${entries.length} drivers cannot be read`,
      offset: driverListOffset,
    });
  return drivers;
}

/** The drivers that were unloaded before the crash; names longer than 12 units are cut in the dump itself. */
export function triageUnloadedDrivers(source: TriageSource): TriageUnloadedDriver[] {
  const offset = source.index.unloadedDriversOffset;
  const head = readEntries(source, "the count of unloaded drivers", triageUnloadedDriverList, offset, 1)[0];
  if (!head || head.numberOfDrivers === 0) return [];
  const start = offset + triageUnloadedDriverList.size;
  const entries = readEntries(source, "the unloaded drivers", triageUnloadedDriver, start, head.numberOfDrivers);
  return entries.map((entry) => ({
    name: utf16(entry.name.subarray(0, entry.nameLength)),
    start: entry.startAddress,
    end: entry.endAddress,
  }));
}
