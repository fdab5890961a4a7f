import type { VirtualBlocks } from "../../binary/index.ts";
import type { DumpProblem, TriageParts } from "../dump.ts";
import type { DumpFile } from "../file.ts";
import { debuggerData64, KDBG_TAG } from "./debugger-data.ts";
import { DUMP_HEADER_SIZE } from "./dump-header.ts";
import type { ReadHeader } from "./header-reader.ts";
import { secondaryData } from "./secondary-data.ts";
import { triageDrivers, triageUnloadedDrivers } from "./triage-drivers.ts";
import { readEntries, readExtent, type TriageSource } from "./triage-extent.ts";
import { TRIAGE_MARK, triageDataBlock, triageDump64 } from "./triage-layouts.ts";
import { type FilePiece, virtualView } from "./virtual-view.ts";

/** Everything a triage dump holds: its parts, and one view over all memory in them. */
export interface TriageDump {
  readonly parts: TriageParts;
  readonly memory: VirtualBlocks;
  /** Number of the processor that crashed; null when the dump does not say. */
  readonly processor: number | null;
}

type DebuggerData = ReturnType<typeof debuggerData64.read>;

const ADDRESS_END = 2n ** 64n;

const NO_PARTS: TriageParts = {
  drivers: [],
  unloaded: [],
  debuggerData: null,
  processorBlock: null,
  process: null,
  thread: null,
  topOfStack: 0n,
  callStack: null,
  dataBlocks: 0,
  secondary: [],
};

/** A number inside an object that may be cut short. */
function numberIn(object: Uint8Array | null, offset: number, bytes: 4 | 8): bigint | null {
  if (object === null || offset + bytes > object.length) return null;
  const view = new DataView(object.buffer, object.byteOffset, object.byteLength);
  return bytes === 8 ? view.getBigUint64(offset, true) : BigInt(view.getUint32(offset, true));
}

function debuggerDataOf(source: TriageSource, bytes: Uint8Array | null): DebuggerData | null {
  const data = bytes !== null && bytes.length >= debuggerData64.size ? debuggerData64.read(bytes) : null;
  if (data?.ownerTag === KDBG_TAG) return data;
  source.problems.push({
    code: "bad-triage-field",
    message: "the debugger data block is missing or damaged: the crashed process and thread cannot be told",
    offset: source.index.debuggerDataOffset,
  });
  return null;
}

/** The parts with an offset and a size of their own in the index. Objects of the kernel are as large as its debugger data says. */
function readSlots(source: TriageSource) {
  const { index } = source;
  const debuggerData = readExtent(source, "the debugger data", index.debuggerDataOffset, index.debuggerDataSize);
  const kernel = debuggerDataOf(source, debuggerData);
  return {
    kernel,
    debuggerData,
    processorBlock: readExtent(source, "the processor block", index.prcbOffset, kernel?.sizePrcb ?? 0),
    process: readExtent(source, "the process", index.processOffset, kernel?.sizeEProcess ?? 0),
    thread: readExtent(source, "the thread", index.threadOffset, kernel?.sizeEThread ?? 0),
    callStack: readExtent(source, "the call stack", index.callStackOffset, index.sizeOfCallStack),
    dataPage: readExtent(source, "the data page", index.dataPageOffset, index.dataPageSize),
  };
}

/** The data blocks that lie in the file, whole or cut; what is wrong with them is told once, not once a block. */
function dataBlocks(source: TriageSource): { count: number; pieces: FilePiece[] } {
  const { dataBlocksOffset, dataBlocksCount } = source.index;
  const entries = readEntries(source, "the data block list", triageDataBlock, dataBlocksOffset, dataBlocksCount);
  const pieces: FilePiece[] = [];
  let cut = 0;
  let wrong = 0;
  for (const { address, offset, size } of entries) {
    if (offset === 0 || address + BigInt(size) > ADDRESS_END) {
      wrong++;
      continue;
    }
    const held = Math.min(size, source.file.bytes - offset);
    if (held < size) cut++;
    if (held > 0) pieces.push({ address, offset, bytes: held });
  }
  const tell = (code: string, count: number, what: string) => {
    const message = `${count} of ${entries.length} data blocks ${what}`;
    if (count > 0) source.problems.push({ code, message, offset: dataBlocksOffset });
  };
  tell("truncated", cut, "go past the end of the file");
  tell("bad-triage-field", wrong, "have impossible places");
  return { count: entries.length, pieces };
}

/** A triage dump ends in a mark; without it the writer, or a copy of the file, stopped early. */
function requireMark({ file, index, problems }: TriageSource): void {
  const { validOffset } = index;
  const mark = validOffset + 4 <= file.bytes ? numberIn(file.read(validOffset, 4), 0, 4) : null;
  if (mark === BigInt(TRIAGE_MARK)) return;
  problems.push({
    code: "truncated",
    message: `the mark of a whole triage dump (TRGD) is not at byte ${validOffset}`,
    offset: validOffset,
  });
}

/** Data blocks and slots as one memory. */
function triageMemory(
  { file, index }: TriageSource,
  slots: ReturnType<typeof readSlots>,
  places: { blocks: readonly FilePiece[]; debuggerDataBlock: bigint; processor: number | null },
): VirtualBlocks {
  const pieces = [...places.blocks];
  const add = (address: bigint | null, offset: number, bytes: Uint8Array | null) => {
    if (address !== null && address !== 0n && bytes !== null && address + BigInt(bytes.length) <= ADDRESS_END)
      pieces.push({ address, offset, bytes: bytes.length });
  };
  add(index.topOfStack, index.callStackOffset, slots.callStack);
  add(index.dataPageAddress, index.dataPageOffset, slots.dataPage);
  add(places.debuggerDataBlock, index.debuggerDataOffset, slots.debuggerData);
  const { kernel } = slots;
  if (kernel === null) return virtualView(file, pieces);
  // The objects of the crashing processor do not carry their own addresses: each is named by another.
  add(numberIn(slots.processorBlock, kernel.offsetPrcbCurrentThread, 8), index.threadOffset, slots.thread);
  add(numberIn(slots.thread, kernel.offsetKThreadApcProcess, 8), index.processOffset, slots.process);
  if (places.processor !== null) {
    const pointer = kernel.kiProcessorBlock + 8n * BigInt(places.processor);
    add(numberIn(virtualView(file, pieces).read(pointer, 8), 0, 8), index.prcbOffset, slots.processorBlock);
  }
  return virtualView(file, pieces);
}

/**
 * Reads a triage dump (type 4). What is missing or damaged is left out and told in `problems`.
 * Source: windows-dump.md section 4.
 */
export function readTriage(file: DumpFile, { header }: ReadHeader, problems: DumpProblem[]): TriageDump {
  if (file.bytes < DUMP_HEADER_SIZE + triageDump64.size) {
    problems.push({ code: "truncated", message: "the file ends before the index of the dump", offset: file.bytes });
    return { parts: NO_PARTS, memory: virtualView(file, []), processor: null };
  }
  const index = triageDump64.read(file.read(DUMP_HEADER_SIZE, triageDump64.size));
  const source: TriageSource = { file, index, problems };
  requireMark(source);
  const slots = readSlots(source);
  const blocks = dataBlocks(source);
  const number = slots.kernel && numberIn(slots.processorBlock, slots.kernel.offsetPrcbNumber, 4);
  const processor = number === null ? null : Number(number);
  const { debuggerDataBlock } = header;
  return {
    parts: {
      drivers: triageDrivers(source),
      unloaded: triageUnloadedDrivers(source),
      debuggerData: slots.debuggerData,
      processorBlock: slots.processorBlock,
      process: slots.process,
      thread: slots.thread,
      topOfStack: index.topOfStack,
      callStack: slots.callStack,
      dataBlocks: blocks.count,
      secondary: secondaryData(file, index.sizeOfDump, problems),
    },
    memory: triageMemory(source, slots, { blocks: blocks.pieces, debuggerDataBlock, processor }),
    processor,
  };
}
