export { openElf } from "./reader.ts";
export { elfVmcore, type VmcoreContents } from "./writer.ts";
