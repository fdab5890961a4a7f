import type { ValuesOf } from "../../binary/index.ts";
import {
  type Architecture,
  type Dump,
  type DumpFile,
  debuggerData64,
  type HeaderStopCode,
  KDBG_TAG,
  readWindowsHeader,
  type TriageParts,
  type WindowsHeader,
} from "../../dumpfile/index.ts";
import { VirtualMemory } from "../../paging/index.ts";
import { isKernelAddress, KernelMemory } from "./kernel-memory.ts";

export type DebuggerData = ValuesOf<typeof debuggerData64.fields>;

/** A dumped NT kernel as far as it can be found without symbols: its memory, and the block that says where its variables lie. */
export interface Kernel {
  readonly dump: Dump;
  readonly arch: Architecture;
  readonly stopCode: HeaderStopCode | null;
  readonly header: WindowsHeader;
  readonly triage: TriageParts | null;
  readonly memory: KernelMemory;
  /** Null when the block is missing, damaged or encoded. */
  readonly debuggerData: DebuggerData | null;
}

/** A Windows dump header, and what of it the dump as a whole tells. */
interface Identity {
  readonly arch: Architecture;
  readonly stopCode: HeaderStopCode | null;
  readonly header: WindowsHeader;
  readonly triage: TriageParts | null;
}

/** The NT kernel of a dump: a Windows dump's, or one whose header an ELF dump carries as a note. Null when there is none. */
export function openKernel(dump: Dump): Kernel | null {
  const identity = identityOf(dump);
  if (!identity) return null;
  const memory = memoryOf(dump, identity.header);
  const debuggerData = findDebuggerData(memory, identity.header, identity.triage);
  const stopCode = identity.stopCode ?? recordedStopCode(memory, debuggerData);
  return { dump, ...identity, stopCode, memory, debuggerData };
}

/** KiBugcheckData: the stop code where the kernel itself keeps it, for dumps whose header was made before the crash. */
function recordedStopCode(memory: KernelMemory, data: DebuggerData | null): HeaderStopCode | null {
  if (!data || !isKernelAddress(data.kiBugcheckData)) return null;
  const [code, a, b, c, d] = [0n, 8n, 16n, 24n, 32n].map((offset) => memory.u64(data.kiBugcheckData + offset));
  if (!code || code > 0xffff_ffffn) return null;
  return { code: Number(code), parameters: [a ?? 0n, b ?? 0n, c ?? 0n, d ?? 0n] };
}

/** Whether a dump carries the header of an NT kernel. */
export const isWindows = (dump: Dump): boolean => identityOf(dump) !== null;

function identityOf(dump: Dump): Identity | null {
  const { arch, stopCode, header } = dump;
  if (header.kind === "windows") return { arch, stopCode, header: header.windows, triage: header.triage };
  const note = dump.notes.find(({ bytes }) => Buffer.from(bytes.subarray(0, 8)).toString("latin1") === NOTE_SIGNATURE);
  return note ? headerInNote(dump, note.bytes) : null;
}

// QEMU's vmcoreinfo device hands out whatever the guest's driver registered: for Windows guests, a dump header.
const NOTE_SIGNATURE = "PAGEDU64";

function headerInNote(dump: Dump, bytes: Uint8Array): Identity | null {
  const file: DumpFile = {
    path: dump.file,
    bytes: bytes.length,
    read: (offset, length) => bytes.subarray(offset, offset + length),
    close() {},
  };
  try {
    return { ...readWindowsHeader(file, []), triage: null };
  } catch {
    return null; // a note that is too short to be a header: the ELF dump is still good for its registers
  }
}

function memoryOf(dump: Dump, header: WindowsHeader): KernelMemory {
  const held = dump.memory;
  if (held.kind === "virtual") return new KernelMemory((address, length) => held.read(address, length));
  const root = Number(BigInt.asUintN(52, header.directoryTableBase) & ~0xfffn);
  // The header does not say how many levels the page tables have: the right number is the one that finds the kernel's block.
  const [four, five] = ([4, 5] as const).map((levels) => {
    const virtual = new VirtualMemory(held, { root, levels });
    return new KernelMemory((address, length) => virtual.tryRead(BigInt.asUintN(64, address), length));
  });
  const tag = header.debuggerDataBlock + BigInt(debuggerData64.fields.ownerTag.offset);
  return five!.u32(tag) === KDBG_TAG ? five! : four!;
}

function findDebuggerData(memory: KernelMemory, header: WindowsHeader, triage: TriageParts | null) {
  const size = debuggerData64.size;
  const inMemory = isKernelAddress(header.debuggerDataBlock) ? memory.read(header.debuggerDataBlock, size) : null;
  const bytes = triage?.debuggerData && triage.debuggerData.length >= size ? triage.debuggerData : inMemory;
  const data = bytes && debuggerData64.read(bytes);
  return data?.ownerTag === KDBG_TAG ? data : null;
}
