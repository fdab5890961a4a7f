export * from "./dump.ts";
export * from "./elf/index.ts";
export { type DumpFile, descriptorFile, openDumpFile } from "./file.ts";
export * from "./image.ts";
export { openKdump } from "./kdump/index.ts";
export { openDump } from "./open.ts";
export * from "./windows/index.ts";
