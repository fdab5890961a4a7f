export { type HypervisorNote, hypervisorCrash, hypervisorNote, hypervisorNoteOf } from "./hypervisor-note.ts";
export { openElf } from "./reader.ts";
export { elfVmcore, type VmcoreContents } from "./writer.ts";
