import { randomBytes } from "node:crypto";
import { rmSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { StopcodeError } from "../binary/index.ts";
import { inspectSealed, openSealed, readIdentityFile, recipientsOf } from "../seal/index.ts";
import { nameNewFile, onDisk, refuseExisting, requireSpace } from "./disk.ts";
import { type Crash, openCrash } from "./open.ts";
import type { ProgressOption } from "./progress.ts";
import { streamFile } from "./stream-file.ts";
import { withWholeDump } from "./whole-dump.ts";

export interface UnsealOptions extends ProgressOption {
  /** age identity files of the owner; one that fits is enough. */
  readonly identityFiles: readonly string[];
  /** Where the result goes; it must not exist. */
  readonly target: string;
  /** The whole dump with the private pages in their places, instead of an ELF core with just these. */
  readonly whole?: boolean | undefined;
}

/** The document of `dump unseal --json`. */
export interface Unsealed {
  readonly id: string;
  readonly file: string;
  /** Private pages that came back. */
  readonly pages: number;
  readonly bytes: number;
}

/**
 * Gives the private pages of a crash back to their owner, in a file that only they may read (mode 0600). The target appears whole
 * or not at all: a flipped bit at the very end of the sealed file still leaves nothing behind.
 *
 * @throws StopcodeError `archive/nothing-sealed`, `archive/no-dump`, `io/exists`, `io/…`, `seal/…`
 */
export async function unsealCrash(folder: string, options: UnsealOptions): Promise<Unsealed> {
  const crash = openCrash(folder);
  const { sealed } = crash.manifest;
  if (!sealed || !crash.sealedPath)
    throw new StopcodeError("archive/nothing-sealed", "no pages of this crash were sealed", {
      where: { file: folder },
      hint: "its dump holds all that was kept; crash.json says what was left out and why",
    });
  const identities = (await Promise.all(options.identityFiles.map((file) => readIdentityFile(file)))).flat();
  const file = resolve(options.target);
  refuseExisting(file);
  const unfinished = join(dirname(file), `.${basename(file)}.${randomBytes(6).toString("hex")}`);
  const pages = `${unfinished}.pages`;
  try {
    let { bytes } = await writePages(crash.sealedPath, identities, pages, options);
    if (options.whole) bytes = (await writeWhole(crash, pages, unfinished, options)).bytes;
    onDisk("naming the file", file, () => nameNewFile(options.whole ? unfinished : pages, file));
    return { id: crash.manifest.id, file, pages: sealed.pages, bytes };
  } catch (error) {
    throw await whoseSeal(error, sealed.recipients, identities);
  } finally {
    for (const left of [pages, unfinished]) rmSync(left, { force: true });
  }
}

function writePages(sealedPath: string, identities: readonly string[], path: string, { onProgress }: ProgressOption) {
  const { plaintextBytes: totalBytes } = inspectSealed(sealedPath);
  requireSpace(dirname(path), totalBytes);
  return streamFile(path, openSealed(sealedPath, identities), (bytes) =>
    onProgress?.({ phase: "opening private pages", bytes, totalBytes }),
  );
}

function writeWhole({ dumpPath, folder }: Crash, pages: string, path: string, { onProgress }: ProgressOption) {
  if (dumpPath === null)
    throw new StopcodeError("archive/no-dump", "this crash has private pages, but no dump to put them into", {
      where: { file: folder },
      hint: "ask for the private pages alone",
    });
  return withWholeDump(dumpPath, pages, (image) => {
    requireSpace(dirname(path), image.bytes);
    return streamFile(path, image.chunks(), (bytes) =>
      onProgress?.({ phase: "writing the whole dump", bytes, totalBytes: image.bytes }),
    );
  });
}

/** "None of your keys fits", with the names of the keys: the manifest knows for whom it was sealed, the header does not. */
async function whoseSeal(
  error: unknown,
  recipients: readonly string[],
  identities: readonly string[],
): Promise<unknown> {
  if (!(error instanceof StopcodeError) || error.code !== "seal/wrong-identity") return error;
  const yours = await recipientsOf(identities);
  return new StopcodeError(error.code, error.message, {
    where: error.where,
    hint: `sealed for ${recipients.join(", ")}; yours: ${yours.join(", ") || "none"}`,
    cause: error,
  });
}
