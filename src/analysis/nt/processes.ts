import { eprocess, ethread } from "../../dumpfile/index.ts";
import type { ProcessFact } from "../facts.ts";
import type { Kernel } from "./kernel.ts";
import { isKernelAddress } from "./kernel-memory.ts";
import { walkList } from "./modules.ts";

const MOST_PROCESSES = 16_384;
const LARGEST_PID = 0x0400_0000n;
const IMAGE_NAME_BYTES = 15;

/**
 * Where the fields of EPROCESS lie that KDDEBUGGER_DATA64 does not state. It states the parent's id, and the distances from
 * that are the same on x64 19041 and ARM64 22000, whose absolute offsets differ (read off one real dump of each).
 */
function offsets(kernel: Kernel) {
  const known = eprocess.fields;
  const shift = (kernel.debuggerData?.offsetEprocessParentCID || known.inheritedFromUniqueProcessId.offset) -
    known.inheritedFromUniqueProcessId.offset; // biome-ignore format: one sum
  return {
    parent: BigInt(known.inheritedFromUniqueProcessId.offset + shift),
    pid: BigInt(known.uniqueProcessId.offset + shift),
    links: BigInt(known.activeProcessLinks.offset + shift),
    name: BigInt(known.imageFileName.offset + shift),
  };
}

/** A process by the address of its EPROCESS; null where that does not look like one. */
export function processAt(kernel: Kernel, address: bigint | null): ProcessFact | null {
  if (address === null || !isKernelAddress(address)) return null;
  const at = offsets(kernel);
  const name = imageName(kernel, address + at.name);
  const pid = kernel.memory.u64(address + at.pid);
  const parent = kernel.memory.u64(address + at.parent);
  if (name === null || pid === null || pid >= LARGEST_PID) return null;
  return { pid: Number(pid), name, parent: parent !== null && parent < LARGEST_PID ? Number(parent) : null };
}

function imageName(kernel: Kernel, address: bigint): string | null {
  const bytes = kernel.memory.read(address, IMAGE_NAME_BYTES);
  const end = bytes ? bytes.indexOf(0) : -1;
  const text = bytes && Buffer.from(bytes).toString("latin1", 0, end < 0 ? bytes.length : end);
  return text && /^[\x20-\x7e]+$/.test(text) ? text : null;
}

/** The processes that hang in PsActiveProcessHead; null when that list cannot be read. */
export function processList(kernel: Kernel): ProcessFact[] | null {
  const links = offsets(kernel).links;
  const members = walkList(kernel.memory, kernel.header.activeProcessHead, MOST_PROCESSES);
  if (members.length === 0) return null;
  return members.flatMap((member) => processAt(kernel, member - links) ?? []);
}

/** The EPROCESS whose address space a thread runs in; null where it cannot be read. */
export function processOfThread(kernel: Kernel, thread: bigint | null): bigint | null {
  if (thread === null) return null;
  const offset = kernel.debuggerData?.offsetKThreadApcProcess || ethread.fields.apcStateProcess.offset;
  return kernel.memory.pointer(thread + BigInt(offset));
}

/** Where ETHREAD.Cid lies: build 19041 x64, build 22000 ARM64. KDDEBUGGER_DATA64 does not say. */
const CID_OFFSETS = [ethread.fields.uniqueProcess.offset, 0x3a8] as const;

/** A thread's id: the one of two known places where its process's id stands before it. */
export function threadId(kernel: Kernel, thread: bigint | null, pid: number | null): number | null {
  if (thread === null || pid === null) return null;
  for (const offset of CID_OFFSETS) {
    const at = thread + BigInt(offset);
    const id = kernel.memory.u64(at + 8n);
    if (kernel.memory.u64(at) === BigInt(pid) && id !== null && id < LARGEST_PID) return Number(id);
  }
  return null;
}
