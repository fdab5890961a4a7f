import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync, statfsSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { StopcodeError } from "../binary/index.ts";

/** Kept free for the manifest and the small files that follow a dump. */
const SPARE_BYTES = 1024 * 1024;

const TROUBLE: Readonly<Record<string, readonly [code: string, advice: string]>> = {
  ENOSPC: ["io/disk-full", "free some space, or choose another folder (STOPCODE_HOME for the archive)"],
  EDQUOT: ["io/disk-full", "the user's quota is used up: free some space, or write elsewhere"],
  EFBIG: [
    "io/file-too-large",
    "the file system or a limit of the process (ulimit -f) allows no larger file: write elsewhere",
  ],
  EACCES: ["io/permission", "run as a user who may write there, or choose another folder"],
  EPERM: ["io/permission", "run as a user who may write there, or choose another folder"],
  EROFS: ["io/read-only", "the file system is mounted read-only: choose another folder"],
  EEXIST: ["io/exists", "it is never overwritten: choose another name, or move it away"],
  ENOENT: ["io/missing", "check the path"],
  ENOTDIR: ["io/missing", "a part of the path is not a folder: check it"],
  EISDIR: ["io/exists", "a folder has this name: choose another"],
};

/** An error of the system as one of the house: what was being done, where, and what to do (exit code 4). */
export function ioError(doing: string, file: string, cause: unknown): StopcodeError {
  if (cause instanceof StopcodeError) return cause;
  const { code = "", message } = cause as NodeJS.ErrnoException;
  const [name, hint] = TROUBLE[code] ?? ["io/failed", "check the disk and its cable; the system's log may say more"];
  return new StopcodeError(name, `${doing} failed: ${message}`, { where: { file }, hint, cause });
}

/** Runs a piece of file work and turns what the system says into an `io/…` error. */
export function onDisk<T>(doing: string, file: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    throw ioError(doing, file, cause);
  }
}

/** @throws StopcodeError `io/disk-full` when the file system of `folder` has no room for so many bytes more */
export function requireSpace(folder: string, bytes: number): void {
  const { blocks, bavail, bsize } = onDisk("asking for free space", folder, () => statfsSync(folder));
  const free = bavail * bsize;
  // Some network and FUSE file systems count nothing and say 0 of 0.
  if (blocks === 0 || free >= bytes + SPARE_BYTES) return;
  throw new StopcodeError("io/disk-full", `${bytes} bytes are to be written, ${free} are free`, {
    where: { file: folder },
    hint: "free some space, or choose another folder (STOPCODE_HOME for the archive)",
  });
}

/** @throws StopcodeError `io/exists` */
export function refuseExisting(file: string): void {
  if (!existsSync(file)) return;
  throw new StopcodeError("io/exists", "there is a file of this name already", {
    where: { file },
    hint: "it is never overwritten: choose another name, or move it away",
  });
}

/** Writes a new file whole and makes it last. It must not exist; only its owner may read it. */
export function writeNewFile(path: string, content: Uint8Array): void {
  const descriptor = openSync(path, "wx", 0o600);
  try {
    for (let done = 0; done < content.length; ) done += writeSync(descriptor, content, done);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Gives a finished file its name, in place of a file that may have it, and makes the name last. */
export function nameFile(from: string, to: string): void {
  renameSync(from, to);
  syncFolder(dirname(to));
}

/** Gives a finished file its name, unless another has it. */
export function nameNewFile(from: string, to: string): void {
  // Creating refuses what exists, renaming does not: an empty file takes the name, then the finished one its place.
  writeNewFile(to, new Uint8Array(0));
  try {
    nameFile(from, to);
  } catch (error) {
    rmSync(to, { force: true });
    throw error;
  }
}

/** Makes new names inside a folder last. */
export function syncFolder(folder: string): void {
  const descriptor = openSync(folder, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
