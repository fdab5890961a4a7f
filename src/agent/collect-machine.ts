import { createCrashFolder, newCrashId } from "../archive/index.ts";
import { hex, PAGE_SIZE, type PageRun, type PhysicalMemory } from "../binary/index.ts";
import { elfVmcore, hypervisorNote } from "../dumpfile/index.ts";
import { type Host, type HostCrashNotice, HYPERVISOR } from "../host/index.ts";
import { type Collected, type CollectOptions, collected } from "./collect.ts";
import { pagesOf } from "./dump-of.ts";
import { pagesIn, split, tidied } from "./page-runs.ts";

const DUMP_FILE = "vmcore.elf";

/**
 * Collects a machine whose hypervisor has failed: an ELF vmcore of system physical memory, with a note that says where the
 * hypervisor left its state. Everything stands still already, but for the dump partition. Left out are the private pages
 * of every partition, all pages of stateless ones, and free frames; the manifest says how many of each. Pages of zeros
 * stay, whatever a partition's policy: one may be a page table, and the audit is to be repeated from the dump.
 *
 * @throws StopcodeError `io/…` when the disk fails: the folder stays, recognisably incomplete
 */
export async function collectMachine(host: Host, notice: HostCrashNotice, options: CollectOptions): Promise<Collected> {
  const memory = host.machineMemory();
  const { pages, skipped } = chosenFrames(host, memory);
  const image = elfVmcore({
    processors: processorsOf(host),
    notes: [noteOf(host, notice)],
    pages: pagesOf(memory, pages),
  });

  const folder = createCrashFolder(options.home, newCrashId(notice.at, HYPERVISOR), image.bytes);
  await folder.addStream(DUMP_FILE, image.chunks(), (bytes) =>
    options.onProgress?.({ phase: `writing ${DUMP_FILE}`, bytes, totalBytes: image.bytes }),
  );
  return collected(folder, {
    at: notice.at.toISOString(),
    host: host.name,
    partition: HYPERVISOR,
    boot: options.boot,
    stopCode: { code: hex(notice.stopCode), parameters: notice.parameters.map((parameter) => hex(parameter)) },
    dump: {
      file: DUMP_FILE,
      format: "elf-vmcore",
      pages: image.pages,
      memoryBytes: pagesIn(memory.runs()) * PAGE_SIZE,
    },
    sealed: null,
    skipped,
    armed: options.armed.map(({ check, target }) => ({ check, target })),
  });
}

const isStateless = (host: Host, partition: string): boolean =>
  host.partitions().some(({ name, policy }) => name === partition && policy.dump === "stateless");

/** The frames that may be in the dump, and what is not there and why. */
function chosenFrames(host: Host, memory: PhysicalMemory) {
  const skipped: { partition: string; reason: string }[] = [];
  const leaveOut: PageRun[] = [];
  for (const { partition, frames, privateFrames } of host.partitionFrames()) {
    if (isStateless(host, partition)) {
      leaveOut.push(...frames);
      skipped.push({ partition, reason: "stateless" });
    } else if (privateFrames.length > 0) {
      leaveOut.push(...privateFrames);
      skipped.push({ partition, reason: `${pagesIn(tidied(privateFrames))} private pages are not kept` });
    }
  }
  const used = usedFrames(memory);
  skipped.push({ partition: "free memory", reason: `${pagesIn(memory.runs()) - pagesIn(used)} pages that nobody has` });
  return { pages: split(used, tidied(leaveOut)).outside, skipped };
}

/** The frames that somebody has. A free one is zero and tells nothing. */
function usedFrames(memory: PhysicalMemory): PageRun[] {
  const frames: PageRun[] = [];
  for (const { firstPage, pageCount } of memory.runs())
    for (let frame = firstPage; frame < firstPage + pageCount; frame++)
      if (memory.pageState(frame) === "present") frames.push({ firstPage: frame, pageCount: 1 });
  return tidied(frames);
}

/** The processors of all partitions but the stateless, numbered through. */
const processorsOf = (host: Host) =>
  host
    .partitions()
    .filter(({ name }) => !isStateless(host, name))
    .flatMap(({ name }) => host.processors(name))
    .map(({ registers }, index) => ({ index, registers }));

/** A host that had no memory for the state has no region: then the note says so with 0 frames. */
const noteOf = (host: Host, { at, atSeconds }: HostCrashNotice) =>
  hypervisorNote({
    ...(host.crashRegion() ?? { firstFrame: 0, frames: 0 }),
    crashedAt: at,
    upTime: Math.round(atSeconds * 1e7),
    host: host.name,
  });
