import { createHash } from "node:crypto";
import { createReadStream, existsSync, lstatSync, readdirSync, statSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { StopcodeError } from "../binary/index.ts";
import { inspectSealed } from "../seal/index.ts";
import { ioError, onDisk } from "./disk.ts";
import { dumpProblems } from "./dump-pages.ts";
import { MANIFEST, type ManifestFile, type Seal } from "./manifest.ts";
import { type Crash, openCrash } from "./open.ts";
import type { VerifyProblem } from "./problem.ts";
import type { Progress, ProgressOption } from "./progress.ts";

/** The document of `dump verify --json`. */
export interface Verified {
  readonly path: string;
  readonly kind: "crash" | "dump";
  /** True when nothing is wrong. */
  readonly whole: boolean;
  readonly files: number;
  /** Bytes that were read and compared. */
  readonly bytes: number;
  readonly problems: readonly VerifyProblem[];
}

/**
 * Checks a crash folder against its manifest, or a dump file alone as far as its format allows.
 * What is wrong comes back as data; only a path that is not there is thrown.
 *
 * @throws StopcodeError `io/missing`
 */
export async function verify(path: string, { onProgress = () => {} }: ProgressOption = {}): Promise<Verified> {
  const status = onDisk("looking at the path", path, () => statSync(path));
  if (!status.isDirectory()) {
    const problems = await dumpProblems(path, path, onProgress);
    return { path: resolve(path), kind: "dump", whole: problems.length === 0, files: 1, bytes: status.size, problems };
  }
  return verifyCrash(path, { onProgress });
}

/** Checks a crash folder: every file's size and sha256, extra and missing files, the dump's page map, the sealed pages' header. */
export async function verifyCrash(path: string, { onProgress = () => {} }: ProgressOption = {}): Promise<Verified> {
  const answer = (files: number, bytes: number, problems: VerifyProblem[]): Verified => ({
    path: resolve(path),
    kind: "crash",
    whole: problems.length === 0,
    files,
    bytes,
    problems,
  });
  let crash: Crash;
  try {
    crash = openCrash(path);
  } catch (error) {
    if (!(error instanceof StopcodeError)) throw error;
    const code = error.code === "archive/incomplete" ? "incomplete" : "manifest";
    return answer(0, 0, [{ code, message: error.message, file: MANIFEST, offset: null }]);
  }
  const { folder, manifest } = crash;
  const bytes = manifest.files.reduce((sum, file) => sum + file.bytes, 0);
  const problems = [
    ...nameProblems(crash),
    ...(await contentProblems(folder, manifest.files, bytes, onProgress)),
    ...(await pageCountProblems(crash)),
    ...manifest.sealed.flatMap((seal) => sealedProblems(folder, seal)),
  ];
  return answer(manifest.files.length, bytes, problems);
}

function nameProblems({ folder, manifest }: Crash): VerifyProblem[] {
  const listed = new Set([MANIFEST, ...manifest.files.map((file) => file.name)]);
  const named = [...(manifest.dump ? [manifest.dump] : []), ...manifest.sealed].map(({ file }) => file);
  const problem = (code: string, file: string, message: string) => ({ code, file, message, offset: null });
  return [
    ...(basename(folder) === manifest.id
      ? []
      : [problem("renamed", MANIFEST, `the folder is not named ${manifest.id}, as its manifest says`)]),
    ...named
      .filter((name) => !listed.has(name))
      .map((name) => problem("manifest", name, `the manifest names ${name}, but its list of files does not`)),
    ...readdirSync(folder)
      .filter((name) => !listed.has(name))
      .map((name) => problem("extra-file", name, `${name} is not in the manifest`)),
  ];
}

async function contentProblems(
  folder: string,
  files: readonly ManifestFile[],
  totalBytes: number,
  onProgress: (progress: Progress) => void,
): Promise<VerifyProblem[]> {
  const problems: VerifyProblem[] = [];
  let before = 0;
  for (const file of files) {
    const onBytes = (bytes: number) =>
      onProgress({ phase: `checking ${file.name}`, bytes: before + bytes, totalBytes });
    const problem = await contentProblem(join(folder, file.name), file, onBytes);
    if (problem) problems.push({ ...problem, file: file.name });
    before += file.bytes;
  }
  return problems;
}

async function contentProblem(path: string, file: ManifestFile, onBytes: (bytes: number) => void) {
  if (!existsSync(path) || !lstatSync(path).isFile())
    return { code: "missing-file", message: `${file.name} is not there, or is no plain file`, offset: null };
  const { size } = statSync(path);
  if (size !== file.bytes)
    return {
      code: "size",
      message: `${file.name} has ${size} bytes, not ${file.bytes}`,
      offset: Math.min(size, file.bytes),
    };
  const found = await hashFile(path, onBytes);
  if (found === file.sha256) return null;
  return {
    code: "sha256",
    message: `${file.name} was changed: its sha256 is ${found}, not ${file.sha256}`,
    offset: null,
  };
}

async function hashFile(path: string, onBytes: (bytes: number) => void): Promise<string> {
  const hash = createHash("sha256");
  let bytes = 0;
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 1024 * 1024 })) {
      hash.update(chunk as Buffer);
      bytes += (chunk as Buffer).length;
      onBytes(bytes);
    }
  } catch (cause) {
    throw ioError("reading the file", path, cause);
  }
  return hash.digest("hex");
}

/** The pages themselves are under the sha256; what is left to see is that the file opens as the dump it is said to be. */
async function pageCountProblems({ manifest: { dump }, dumpPath }: Crash): Promise<VerifyProblem[]> {
  if (!dump || !dumpPath || !existsSync(dumpPath)) return [];
  return dumpProblems(dumpPath, dump.file, null, dump);
}

function sealedProblems(folder: string, sealed: Seal): VerifyProblem[] {
  const path = join(folder, sealed.file);
  if (!existsSync(path)) return [];
  const problem = (code: string, message: string, offset: number | null = null): VerifyProblem[] => [
    { code, message, file: sealed.file, offset },
  ];
  try {
    const { stanzas, plaintextBytes } = inspectSealed(path);
    if (stanzas.length !== sealed.recipients.length)
      return problem(
        "sealed-recipients",
        `sealed for ${stanzas.length}, the manifest names ${sealed.recipients.length}`,
      );
    if (plaintextBytes < sealed.pages * 4096 || sealed.pages !== pagesIn(sealed))
      return problem("sealed-size", `${sealed.pages} pages cannot be what is sealed in ${plaintextBytes} bytes`);
    return [];
  } catch (error) {
    if (!(error instanceof StopcodeError)) throw error;
    return problem("sealed-unreadable", error.message, error.where.offset);
  }
}

const pagesIn = ({ runs }: Seal) => runs.reduce((sum, run) => sum + run.pageCount, 0);
