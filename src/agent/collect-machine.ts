import { createCrashFolder, newCrashId } from "../archive/index.ts";
import { hex, PAGE_SIZE, type PageRun, type PhysicalMemory } from "../binary/index.ts";
import { elfVmcore, hypervisorNote } from "../dumpfile/index.ts";
import { type Host, type HostCrashNotice, HYPERVISOR } from "../host/index.ts";
import { checkRecipients } from "../seal/index.ts";
import { type Collected, type CollectOptions, collected } from "./collect.ts";
import { pagesOf } from "./dump-of.ts";
import { pagesIn, split, tidied } from "./page-runs.ts";
import { addSealed, type PlannedSeal, plannedSeal, sealedBytes, withoutRecipient } from "./private-pages.ts";

const DUMP_FILE = "vmcore.elf";

/**
 * Collects a machine whose hypervisor has failed: an ELF vmcore of system physical memory, with a note that says where the
 * hypervisor left its state. Everything stands still already, but for the dump partition. Left out are all pages of
 * stateless partitions, and free frames; the manifest says how many. Each partition's private pages lie sealed for its own owners
 * beside the dump, and without a recipient they are not kept. Pages of zeros stay, whatever a partition's policy: one may be a
 * page table, and the audit is to be repeated from the dump.
 *
 * @throws StopcodeError `seal/recipient` before anything is written; `io/…` when the disk fails: the folder stays,
 * recognisably incomplete
 */
export async function collectMachine(host: Host, notice: HostCrashNotice, options: CollectOptions): Promise<Collected> {
  const memory = host.machineMemory();
  const { pages, seals, skipped } = chosenFrames(host, memory);
  await checkRecipients([...new Set(seals.flatMap(({ seal }) => seal.recipients))]);
  const image = elfVmcore({
    processors: processorsOf(host),
    notes: [noteOf(host, notice)],
    pages: pagesOf(memory, pages),
  });

  const totalBytes = seals.reduce((sum, seal) => sum + sealedBytes(seal), image.bytes);
  const folder = createCrashFolder(options.home, newCrashId(notice.at, HYPERVISOR), totalBytes);
  let before = 0;
  const tell = (phase: string) => (bytes: number) => options.onProgress?.({ phase, bytes: before + bytes, totalBytes });
  await folder.addStream(DUMP_FILE, image.chunks(), tell(`writing ${DUMP_FILE}`));
  before = image.bytes;
  for (const seal of seals) {
    await addSealed(folder, seal, tell(`sealing ${seal.seal.file}`));
    before += sealedBytes(seal);
  }
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
    sealed: seals.map(({ seal }) => seal),
    skipped,
    armed: options.armed.map(({ check, target }) => ({ check, target })),
  });
}

/** The frames that may be in the dump, those that go under seal, and what is not there and why. */
function chosenFrames(host: Host, memory: PhysicalMemory) {
  const skipped: { partition: string; reason: string }[] = [];
  const seals: PlannedSeal[] = [];
  const leaveOut: PageRun[] = [];
  for (const { partition, frames, privateFrames } of host.partitionFrames()) {
    const { policy } = host.partitions().find(({ name }) => name === partition) ?? {};
    const runs = tidied(privateFrames);
    const isStateless = policy?.dump === "stateless";
    // The dump partition has no owner, and is in the dump like the hypervisor it works for.
    const recipients = policy?.recipients ?? [];
    leaveOut.push(...(isStateless ? frames : runs));
    if (isStateless) skipped.push({ partition, reason: "stateless" });
    else if (runs.length > 0 && recipients.length === 0) skipped.push(withoutRecipient(partition, runs));
    else if (runs.length > 0) {
      const file = `private-${seals.length + 1}.age`;
      const owner = { partition, recipients: [...new Set(recipients)] };
      seals.push(plannedSeal(file, owner, pagesOf(memory, runs)));
    }
  }
  const used = usedFrames(memory);
  skipped.push({ partition: "free memory", reason: `${pagesIn(memory.runs()) - pagesIn(used)} pages that nobody has` });
  return { pages: split(used, tidied(leaveOut)).outside, seals, skipped };
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
    .filter(({ policy }) => policy.dump !== "stateless")
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
