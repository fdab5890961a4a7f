import { createHash } from "node:crypto";
import { mkdirSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { StopcodeError } from "../binary/index.ts";
import { isCrashId } from "./crash-id.ts";
import { nameFile, onDisk, requireSpace, syncFolder, writeNewFile } from "./disk.ts";
import { MANIFEST, type Manifest, type ManifestFile, manifest } from "./manifest.ts";
import { type StreamedFile, streamFile } from "./stream-file.ts";

/** What the writer of a crash knows; schema, id and file list the folder adds itself. */
export type ManifestFields = Omit<Manifest, "schema" | "id" | "files">;

/** A crash being written. Until `finish` returns, the folder is recognisably incomplete: it has no crash.json. */
export interface CrashFolder {
  readonly id: string;
  readonly path: string;
  /** Adds a small file, synced to the disk. */
  addFile(name: string, content: string | Uint8Array): void;
  /** Adds a file from chunks, synced to the disk. `onBytes` hears how many bytes of it are written. */
  addStream(name: string, chunks: Chunks, onBytes?: (bytes: number) => void): Promise<StreamedFile>;
  /** Writes crash.json: when this returns, the crash is whole and stays so through a power failure. */
  finish(fields: ManifestFields): Manifest;
}

type Chunks = Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

/**
 * A new, empty crash folder `<home>/<id>`, for its owner's eyes only; `home` is made where it is missing.
 *
 * @param id of `newCrashId`
 * @param bytes what is going to be written: a disk too full for it is refused before anything is made
 * @throws StopcodeError `io/disk-full`, `io/exists` when the folder is there already, `archive/bad-id`, `io/…`
 */
export function createCrashFolder(home: string, id: string, bytes: number): CrashFolder {
  if (!isCrashId(id))
    throw new StopcodeError("archive/bad-id", `${JSON.stringify(id)} is no crash id`, {
      hint: "an id looks like 20260115T031241Z-web-k3f7q2",
    });
  const parent = resolve(home);
  const path = join(parent, id);
  onDisk("making the archive's folder", parent, () => mkdirSync(parent, { recursive: true, mode: 0o700 }));
  requireSpace(parent, bytes);
  onDisk("making the crash folder", path, () => mkdirSync(path, { mode: 0o700 }));
  return new FolderWriter(id, path);
}

class FolderWriter implements CrashFolder {
  readonly id: string;
  readonly path: string;
  readonly #files: ManifestFile[] = [];

  constructor(id: string, path: string) {
    this.id = id;
    this.path = path;
  }

  addFile(name: string, content: string | Uint8Array): void {
    const path = join(this.path, name);
    const bytes = Buffer.from(content);
    onDisk("writing the file", path, () => writeNewFile(path, bytes));
    this.#files.push({ name, bytes: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") });
  }

  async addStream(name: string, chunks: Chunks, onBytes: (bytes: number) => void = () => {}): Promise<StreamedFile> {
    const written = await streamFile(join(this.path, name), chunks, onBytes);
    this.#files.push({ name, ...written });
    return written;
  }

  finish(fields: ManifestFields): Manifest {
    const document = manifest.parse({ schema: "stopcode/crash/2", id: this.id, ...fields, files: this.#files });
    const path = join(this.path, MANIFEST);
    const partial = `${path}.partial`;
    onDisk("writing the manifest", path, () => {
      syncFolder(this.path);
      writeNewFile(partial, Buffer.from(`${JSON.stringify(document, null, 1)}\n`));
      nameFile(partial, path);
      syncFolder(dirname(this.path));
    });
    return document;
  }
}
