import type { PageRun, PhysicalMemory, Registers, VirtualBlocks } from "../binary/index.ts";

export type DumpFormat =
  | "windows-full"
  | "windows-bitmap"
  | "windows-triage"
  | "elf-vmcore"
  | "kdump"
  | "kdump-flattened";

export type Architecture = "x86_64" | "arm64" | "x86" | "unknown";

/** Something that is wrong with a dump that could be opened all the same. */
export interface DumpProblem {
  /** `truncated`, `bad-header-field`, `page-unreadable` … */
  readonly code: string;
  readonly message: string;
  /** Byte offset in the file. */
  readonly offset: number | null;
}

/** One processor as the dump's own records have it. */
export interface DumpProcessor {
  readonly index: number;
  /** Where the registers come from: `header context`, `NT_PRSTATUS`, `QEMU note` … */
  readonly source: string;
  readonly registers: Registers;
  /** NT_PRSTATUS pr_pid: a pid for kexec dumps, processor + 1 for QEMU's. Null where the format has none. */
  readonly pid: number | null;
}

/** An ELF note, or what the format has in its place. */
export interface DumpNote {
  readonly name: string;
  readonly type: number;
  readonly bytes: Uint8Array;
}

/** The stop code of a Windows dump header, with its four parameters. */
export interface HeaderStopCode {
  readonly code: number;
  readonly parameters: readonly [bigint, bigint, bigint, bigint];
}

/**
 * An open dump. Opening reads the header and the page map, never the pages.
 * `memory.kind` is `physical` for every format that has a page map, `virtual` for triage dumps.
 */
export interface Dump {
  readonly file: string;
  readonly format: DumpFormat;
  readonly arch: Architecture;
  /** Size of the file in bytes. */
  readonly bytes: number;
  /** False when the file ends before what its header promises. */
  readonly complete: boolean;
  readonly memory: ({ readonly kind: "physical" } & PhysicalMemory) | ({ readonly kind: "virtual" } & VirtualBlocks);
  /** Pages (or, for triage dumps, 0) that the page map says are in the file. */
  readonly pages: number;
  readonly cpus: readonly DumpProcessor[];
  readonly notes: readonly DumpNote[];
  readonly stopCode: HeaderStopCode | null;
  /** The format's own header: see the reader of each format. */
  readonly header: DumpHeader;
  readonly problems: readonly DumpProblem[];
  close(): void;
}

export type DumpHeader =
  | { readonly kind: "windows"; readonly windows: WindowsHeader; readonly triage: TriageParts | null }
  | { readonly kind: "elf"; readonly vmcoreinfo: string | null }
  | { readonly kind: "kdump"; readonly vmcoreinfo: string | null; readonly kdump: KdumpHeader };

/** DUMP_HEADER64 as far as readers need it; `null` where the field still holds the "PAGE" fill. */
export interface WindowsHeader {
  readonly majorVersion: number;
  /** OS build as the kernel wrote it. */
  readonly build: number;
  readonly directoryTableBase: bigint;
  readonly pfnDatabase: bigint;
  readonly loadedModuleList: bigint;
  readonly activeProcessHead: bigint;
  readonly machineType: number;
  readonly processors: number;
  readonly debuggerDataBlock: bigint;
  readonly dumpType: number;
  readonly requiredDumpSpace: number | null;
  /** The machine's memory as the header describes it, whether its pages are in the file or not. Null when it does not. */
  readonly memoryRuns: readonly PageRun[] | null;
  /** FILETIME, 100 ns since 1601-01-01 UTC. */
  readonly systemTime: bigint | null;
  /** In 100 ns. */
  readonly systemUpTime: bigint | null;
  readonly comment: string | null;
  readonly productType: number | null;
  /** CONTEXT and EXCEPTION_RECORD64 bytes as they stand in the header. */
  readonly contextRecord: Uint8Array;
  readonly exceptionRecord: Uint8Array;
}

/** What TRIAGE_DUMP64 points at, cut out and checked (windows-dump.md section 4). */
export interface TriageParts {
  readonly drivers: readonly TriageDriver[];
  readonly unloaded: readonly TriageUnloadedDriver[];
  /** The debugger data block's bytes, its virtual address being `WindowsHeader.debuggerDataBlock`. */
  readonly debuggerData: Uint8Array | null;
  readonly processorBlock: Uint8Array | null;
  readonly process: Uint8Array | null;
  readonly thread: Uint8Array | null;
  readonly topOfStack: bigint;
  readonly callStack: Uint8Array | null;
  readonly dataBlocks: number;
  /** Records of the DumpBlob behind the triage part: tag GUID and bytes. */
  readonly secondary: readonly { readonly tag: string; readonly offset: number; readonly bytes: number }[];
}

export interface TriageDriver {
  /** As the dump names it: a full `\SystemRoot\…` path or a bare name. */
  readonly path: string;
  readonly base: bigint;
  readonly size: number;
  readonly checkSum: number;
  readonly timeDateStamp: number;
}

export interface TriageUnloadedDriver {
  readonly name: string;
  readonly start: bigint;
  readonly end: bigint;
}

export interface KdumpHeader {
  readonly version: number;
  readonly uname: {
    readonly system: string;
    readonly node: string;
    readonly release: string;
    readonly version: string;
    readonly machine: string;
  };
  /** Seconds since 1970; 0 where the writer left it out (QEMU). */
  readonly timestamp: number;
  readonly dumpLevel: number;
  readonly currentCpu: number;
  readonly processors: number;
  readonly compression: "none" | "zlib" | "lzo" | "snappy" | "zstd" | "mixed";
}
