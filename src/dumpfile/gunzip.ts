import { randomUUID } from "node:crypto";
import { closeSync, createReadStream, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createGunzip } from "node:zlib";
import { StopcodeError } from "../binary/index.ts";
import type { DumpProblem } from "./dump.ts";
import { type DumpFile, descriptorFile } from "./file.ts";

const PACKED_CHUNK = 2 ** 18;
/** zlib hands out whole chunks, and keeps what it has of the next when the stream breaks off: so they are small. */
const UNPACKED_CHUNK = 2 ** 14;

/** A dump unpacked to a temporary file. */
export interface UnpackedDump {
  /** Errors call it by the compressed file's path. `close()` frees the space. */
  readonly file: DumpFile;
  readonly problems: readonly DumpProblem[];
}

/**
 * Unpacks a gzip file to a temporary file that only this user can read; nothing of it is held in memory.
 * A file that was cut off or damaged is unpacked as far as it goes, but for the last 16 KiB.
 *
 * @param accept looks at the first bytes that come out, and throws when it is not worth going on
 * @throws StopcodeError `io/temporary-file` when the temporary file cannot be written,
 *   `dump/truncated` when the stream breaks off before its first 16 KiB
 */
export async function unpackGzip(path: string, accept: (first: Uint8Array) => void): Promise<UnpackedDump> {
  const temporary = join(tmpdir(), `stopcode-${randomUUID()}`);
  const descriptor = ioStep(() => openSync(temporary, "wx+", 0o600));
  try {
    // Without a name from the start: however this process ends, no memory of the dumped machine stays behind.
    rmSync(temporary, { force: true });
    const { bytes, problem } = await inflateInto(descriptor, path, accept);
    const file = descriptorFile(path, descriptor, bytes);
    return { file, problems: problem ? [problem] : [] };
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
}

function inflateInto(
  descriptor: number,
  path: string,
  accept: (first: Uint8Array) => void,
): Promise<{ bytes: number; problem: DumpProblem | null }> {
  return new Promise((resolve, reject) => {
    const source = createReadStream(path, { highWaterMark: PACKED_CHUNK });
    const gunzip = createGunzip({ chunkSize: UNPACKED_CHUNK });
    let bytes = 0;
    const fail = (error: unknown) => {
      source.destroy();
      gunzip.destroy();
      reject(error);
    };
    source.on("error", (cause) =>
      fail(new StopcodeError("io/read", `cannot read the file: ${cause.message}`, { where: { file: path }, cause })),
    );
    gunzip.on("data", (chunk: Buffer) => {
      try {
        if (bytes === 0) accept(chunk);
        for (let done = 0; done < chunk.length; ) done += ioStep(() => writeSync(descriptor, chunk, done));
        bytes += chunk.length;
      } catch (error) {
        fail(error);
      }
    });
    gunzip.on("end", () => resolve({ bytes, problem: null }));
    gunzip.on("error", (cause: NodeJS.ErrnoException) => {
      source.destroy();
      const message = `the gzip stream is good for ${bytes} unpacked bytes only: ${cause.message}`;
      if (bytes > 0) {
        const code = cause.code === "Z_BUF_ERROR" ? "truncated" : "damaged";
        resolve({ bytes, problem: { code, message, offset: null } });
        return;
      }
      reject(
        new StopcodeError("dump/truncated", message, {
          where: { file: path, offset: 0 },
          hint: "nothing of it can be read: copy the dump from its source again",
          cause,
        }),
      );
    });
    source.pipe(gunzip);
  });
}

function ioStep<T>(step: () => T): T {
  try {
    return step();
  } catch (cause) {
    throw new StopcodeError("io/temporary-file", `cannot unpack the dump: ${(cause as Error).message}`, {
      where: { file: tmpdir() },
      hint: "set TMPDIR to a folder with room for the unpacked dump, or unpack it yourself with `gzip -dk`",
      cause,
    });
  }
}
