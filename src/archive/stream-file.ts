import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import { ioError } from "./disk.ts";

/** Small chunks (a page each, a sealed chunk each) are gathered to writes of this size. */
const WRITE_BYTES = 1024 * 1024;

export interface StreamedFile {
  readonly bytes: number;
  /** In hex. */
  readonly sha256: string;
}

/**
 * Writes a new file from chunks, hashes it on the way, and makes it last. The file must not exist; only its owner may read it.
 * Hashing runs while the system writes; other work gets its turn between two writes.
 *
 * @param chunks each is used up before the next is asked for
 * @throws StopcodeError `io/…`; what was written by then stays
 */
export async function streamFile(
  path: string,
  chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  onBytes: (bytes: number) => void,
): Promise<StreamedFile> {
  const file = await open(path, "wx", 0o600).catch((cause) => {
    throw ioError("creating the file", path, cause);
  });
  const hash = createHash("sha256");
  let bytes = 0;
  const write = async (block: Uint8Array) => {
    // Both settle before anyone may touch the block again, also when the write fails.
    const written = writeAll(block).catch((cause) => ioError(`writing at byte ${bytes}`, path, cause));
    hash.update(block);
    const error = await written;
    if (error) throw error;
    bytes += block.length;
    onBytes(bytes);
  };
  const writeAll = async (block: Uint8Array) => {
    for (let done = 0; done < block.length; ) done += (await file.write(block, done)).bytesWritten;
  };
  try {
    const gathered = Buffer.allocUnsafe(WRITE_BYTES);
    let used = 0;
    for await (const chunk of chunks) {
      if (used + chunk.length > WRITE_BYTES) {
        if (used > 0) await write(gathered.subarray(0, used));
        used = 0;
      }
      if (chunk.length >= WRITE_BYTES) await write(chunk);
      else {
        gathered.set(chunk, used);
        used += chunk.length;
      }
    }
    if (used > 0) await write(gathered.subarray(0, used));
    await file.sync().catch((cause) => {
      throw ioError("syncing the file to the disk", path, cause);
    });
  } finally {
    await file.close();
  }
  return { bytes, sha256: hash.digest("hex") };
}
