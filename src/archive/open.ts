import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { StopcodeError } from "../binary/index.ts";
import { isCrashId } from "./crash-id.ts";
import { onDisk } from "./disk.ts";
import { MANIFEST, type Manifest, storedManifest } from "./manifest.ts";

/** A crash folder whose manifest stands and is sound. Whether its files still are what the manifest says, `verify` finds out. */
export interface Crash {
  readonly folder: string;
  readonly manifest: Manifest;
  /** Null for a crash without pages. */
  readonly dumpPath: string | null;
}

/** A folder in the archive whose writer has not finished, or never will. */
export interface IncompleteCrash {
  readonly id: string;
  readonly folder: string;
  readonly reason: string;
}

/** Room for millions of sealed runs; a larger file is no manifest. */
const LARGEST_MANIFEST = 256 * 1024 * 1024;

/** @throws StopcodeError `archive/incomplete`, `archive/manifest`, `io/…` */
export function openCrash(folder: string): Crash {
  const path = resolve(folder);
  if (!existsSync(join(path, MANIFEST)))
    throw new StopcodeError("archive/incomplete", whyIncomplete(path), {
      where: { file: path },
      hint: "if it is a crash folder: the dump inside may still be worth a look (`stopcode dump info FILE`)",
    });
  const document = readManifest(join(path, MANIFEST));
  return {
    folder: path,
    manifest: document,
    dumpPath: document.dump && join(path, document.dump.file),
  };
}

/**
 * The crashes of an archive, oldest first. A home that does not exist has none. No manifest is read: that it stands is the
 * promise that everything before it was written.
 */
export function listCrashes(home: string): {
  complete: { id: string; folder: string }[];
  incomplete: IncompleteCrash[];
} {
  if (!existsSync(home)) return { complete: [], incomplete: [] };
  const folders = onDisk("listing the archive", home, () => readdirSync(home, { withFileTypes: true }))
    .filter((entry) => entry.isDirectory() && isCrashId(entry.name))
    .map(({ name }) => ({ id: name, folder: resolve(home, name) }))
    .sort((a, b) => (a.id < b.id ? -1 : 1));
  const isComplete = ({ folder }: { folder: string }) => existsSync(join(folder, MANIFEST));
  return {
    complete: folders.filter(isComplete),
    incomplete: folders
      .filter((crash) => !isComplete(crash))
      .map((crash) => ({ ...crash, reason: whyIncomplete(crash.folder) })),
  };
}

function whyIncomplete(folder: string): string {
  const names = onDisk("listing the folder", folder, () => readdirSync(folder)).sort();
  const there = names.length === 0 ? "it is empty" : `it holds ${names.slice(0, 5).join(", ")}`;
  return `${basename(folder)} has no ${MANIFEST}: it is being written, or its writer was stopped (${there})`;
}

function readManifest(file: string): Manifest {
  const broken = (message: string, cause?: unknown) =>
    new StopcodeError("archive/manifest", `the manifest is not sound: ${message}`, {
      where: { file },
      hint: "the file was changed or damaged after it was written: take the folder from a copy",
      cause,
    });
  const text = onDisk("reading the manifest", file, () => {
    const { size } = statSync(file);
    if (size > LARGEST_MANIFEST) throw broken(`${size} bytes are too many`);
    return readFileSync(file, "utf8");
  });
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (cause) {
    throw broken((cause as Error).message, cause);
  }
  const parsed = storedManifest.safeParse(document);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw broken(`${issue?.path.join(".") || "the document"}: ${issue?.message}`);
}
