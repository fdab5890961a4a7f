import { randomBytes } from "node:crypto";
import { rmSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { StopcodeError } from "../binary/index.ts";
import { inspectSealed, openSealed, readIdentityFile, recipientsOf } from "../seal/index.ts";
import { nameNewFile, onDisk, refuseExisting, requireSpace } from "./disk.ts";
import type { Seal } from "./manifest.ts";
import { type Crash, openCrash } from "./open.ts";
import type { ProgressOption } from "./progress.ts";
import { streamFile } from "./stream-file.ts";
import { withWholeDump } from "./whole-dump.ts";

export interface UnsealOptions extends ProgressOption {
  /** age identity files of the owner; one that fits is enough. */
  readonly identityFiles: readonly string[];
  /** Where the result goes; it must not exist. */
  readonly target: string;
  /** Of the dump of a machine: whose pages, where the identities open those of several partitions. */
  readonly partition?: string | undefined;
  /** The whole dump with the private pages in their places, instead of an ELF core with just these. */
  readonly whole?: boolean | undefined;
}

/** The document of `dump unseal --json`. */
export interface Unsealed {
  readonly id: string;
  readonly file: string;
  /** Whose they are. */
  readonly partition: string;
  /** Private pages that came back. */
  readonly pages: number;
  readonly bytes: number;
}

/**
 * Gives the private pages of a crash back to their owner, in a file that only they may read (mode 0600). The target appears whole
 * or not at all: a flipped bit at the very end of the sealed file still leaves nothing behind.
 *
 * @throws StopcodeError `archive/nothing-sealed`, `archive/several-sealed`, `archive/no-dump`, `io/exists`, `io/…`, `seal/…`
 */
export async function unsealCrash(folder: string, options: UnsealOptions): Promise<Unsealed> {
  const crash = openCrash(folder);
  if (crash.manifest.sealed.length === 0)
    throw new StopcodeError("archive/nothing-sealed", "no pages of this crash were sealed", {
      where: { file: folder },
      hint: "its dump holds all that was kept; crash.json says what was left out and why",
    });
  const identities = (await Promise.all(options.identityFiles.map((file) => readIdentityFile(file)))).flat();
  const seal = sealFor(crash, await recipientsOf(identities), options.partition);
  const file = resolve(options.target);
  refuseExisting(file);
  const unfinished = join(dirname(file), `.${basename(file)}.${randomBytes(6).toString("hex")}`);
  const pages = `${unfinished}.pages`;
  try {
    let { bytes } = await writePages(join(crash.folder, seal.file), identities, pages, options);
    if (options.whole) bytes = (await writeWhole(crash, pages, unfinished, options)).bytes;
    onDisk("naming the file", file, () => nameNewFile(options.whole ? unfinished : pages, file));
    return { id: crash.manifest.id, file, partition: seal.partition, pages: seal.pages, bytes };
  } catch (error) {
    throw await whoseSeal(error, seal.recipients, identities);
  } finally {
    for (const left of [pages, unfinished]) rmSync(left, { force: true });
  }
}

/**
 * The seal to open: of the partition asked for, else the one that names the identities' recipients. Where none does, the first: the
 * manifest may be wrong, and the sealed file itself says whether an identity fits.
 */
function sealFor({ folder, manifest: { sealed } }: Crash, yours: readonly string[], partition?: string): Seal {
  const fitting = sealed.filter((seal) =>
    partition === undefined ? seal.recipients.some((one) => yours.includes(one)) : seal.partition === partition,
  );
  const names = (seals: readonly Seal[]) => seals.map((seal) => seal.partition).join(", ");
  if (fitting.length > 1)
    throw new StopcodeError("archive/several-sealed", `these identities open the pages of ${names(fitting)}`, {
      where: { file: folder },
      hint: "say of which partition they are wanted",
    });
  if (fitting.length === 0 && partition !== undefined)
    throw new StopcodeError("archive/nothing-sealed", `no pages of partition ${partition} were sealed`, {
      where: { file: folder },
      hint: `there are those of ${names(sealed)}`,
    });
  return fitting[0] ?? sealed[0]!;
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
