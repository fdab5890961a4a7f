import { join } from "node:path";
import {
  type CrashFolder,
  createCrashFolder,
  type Manifest,
  type ManifestFields,
  newCrashId,
  type Progress,
} from "../archive/index.ts";
import { hex, StopcodeError } from "../binary/index.ts";
import type { ArmedCheck, CrashNotice, Host, HostPartition } from "../host/index.ts";
import { checkRecipients } from "../seal/index.ts";
import { dumpOf, pagesOf } from "./dump-of.ts";
import { choosePages } from "./page-choice.ts";
import { addSealed, plannedSeal, sealedBytes, withoutRecipient } from "./private-pages.ts";

export interface CollectOptions {
  /** The archive's folder; made where it is missing. */
  readonly home: string;
  /** Which start of the partition this was, from 1; null where nobody counts. */
  readonly boot: number | null;
  /** Checks that were armed for that start. */
  readonly armed: readonly ArmedCheck[];
  readonly onProgress?: ((progress: Progress) => void) | undefined;
}

/**
 * A crash whose pages are on the disk, but whose folder is still open: facts and findings are added, then `finish` writes the
 * manifest. Until then the folder counts as incomplete.
 */
export interface Collected {
  readonly id: string;
  readonly folder: string;
  /** Null for a partition that leaves no pages. */
  readonly dumpPath: string | null;
  /** @throws StopcodeError `io/…` */
  addFile(name: string, content: string | Uint8Array): void;
  /** @throws StopcodeError `io/…` */
  finish(): Manifest;
}

/**
 * Collects one crash from outside: pauses the failed partition and no other, writes the pages its owner's policy allows, seals
 * the private ones, and leaves the partition paused. Nothing of a private page reaches a disk but under seal; without a
 * recipient it is not kept at all, and the manifest says so.
 *
 * @throws StopcodeError `seal/recipient` before anything is written: mend the policy and collect again, the partition still
 * stands; `io/…` when the disk fails: the folder stays, recognisably incomplete
 */
export async function collect(host: Host, notice: CrashNotice, options: CollectOptions): Promise<Collected> {
  const partition = partitionOf(host, notice.partition);
  await host.pause(partition.name);
  const id = newCrashId(notice.at, partition.name);
  const stateless = host
    .partitions()
    .filter(({ policy }) => policy.dump === "stateless")
    .map(({ name }) => ({ partition: name, reason: "stateless" }));
  const descriptor: ManifestFields = {
    at: notice.at.toISOString(),
    host: host.name,
    partition: partition.name,
    boot: options.boot,
    stopCode: { code: hex(notice.stopCode), parameters: notice.parameters.map((parameter) => hex(parameter)) },
    dump: null,
    sealed: [],
    skipped: stateless,
    armed: options.armed.map(({ check, target }) => ({ check, target })),
  };
  if (partition.policy.dump === "stateless") return collected(createCrashFolder(options.home, id, 0), descriptor);

  const plan = await planned(host, partition);
  const folder = createCrashFolder(options.home, id, plan.bytes);
  const consoleText = host.console(partition.name);
  if (consoleText !== "") folder.addFile("console.log", consoleText);
  await writePages(folder, plan, options.onProgress ?? (() => {}));
  host.dumpTaken(partition.name, plan.bytes);
  const { dump, sealed, leftOut } = plan;
  return collected(folder, {
    ...descriptor,
    dump: { file: dump.file, format: dump.format, pages: dump.image.pages, memoryBytes: partition.memoryBytes },
    sealed: sealed === null ? [] : [sealed.seal],
    skipped: [...stateless, ...leftOut],
  });
}

const SEALED_FILE = "private.age";

function partitionOf(host: Host, name: string): HostPartition {
  const partition = host.partitions().find((candidate) => candidate.name === name);
  if (partition) return partition;
  throw new StopcodeError("host/unknown-partition", `${host.name} has no partition ${name}`, {
    hint: `it has ${host
      .partitions()
      .map((candidate) => candidate.name)
      .join(", ")}`,
  });
}

type Plan = Awaited<ReturnType<typeof planned>>;

/** What will be written of a stopped partition: every size is known before the first byte. */
async function planned(host: Host, { name, policy }: HostPartition) {
  const recipients = [...new Set(policy.recipients)];
  await checkRecipients(recipients);
  const memory = host.memory(name);
  const choice = choosePages(memory, host.privatePages(name), policy);
  const dump = dumpOf({
    format: policy.format,
    note: host.crashNote(name),
    processors: host.processors(name),
    pages: pagesOf(memory, choice.open),
  });
  const hasPrivate = choice.private.length > 0;
  const sealed =
    hasPrivate && recipients.length > 0
      ? plannedSeal(SEALED_FILE, { partition: name, recipients }, pagesOf(memory, choice.private))
      : null;
  const leftOut = hasPrivate && sealed === null ? [withoutRecipient(name, choice.private)] : [];
  return { dump, sealed, leftOut, bytes: dump.image.bytes + (sealed === null ? 0 : sealedBytes(sealed)) };
}

async function writePages(folder: CrashFolder, plan: Plan, onProgress: (progress: Progress) => void): Promise<void> {
  const { dump, sealed, bytes: totalBytes } = plan;
  const tell = (phase: string, before: number) => (bytes: number) =>
    onProgress({ phase, bytes: before + bytes, totalBytes });
  await folder.addStream(dump.file, dump.image.chunks(), tell(`writing ${dump.file}`, 0));
  if (sealed === null) return;
  await addSealed(folder, sealed, tell(`sealing ${SEALED_FILE}`, dump.image.bytes));
}

/** The crash as it is handed on, its folder still open. */
export function collected(folder: CrashFolder, fields: ManifestFields): Collected {
  return {
    id: folder.id,
    folder: folder.path,
    dumpPath: fields.dump && join(folder.path, fields.dump.file),
    addFile: (name, content) => folder.addFile(name, content),
    finish: () => folder.finish(fields),
  };
}
