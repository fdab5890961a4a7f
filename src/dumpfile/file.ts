import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { StopcodeError } from "../binary/index.ts";

/** A dump's bytes on disk, read where asked and nowhere else. */
export interface DumpFile {
  readonly path: string;
  readonly bytes: number;
  /** @throws StopcodeError `dump/truncated` when the file ends before `offset + length` */
  read(offset: number, length: number): Uint8Array;
  close(): void;
}

const ADVICE: Record<string, string> = {
  ENOENT: "check the path",
  EACCES: "dumps are often readable by root only: copy it, or run as the user who owns it",
  EISDIR: "name the dump inside this folder",
};

/** @throws StopcodeError `io/open`, with what the system said */
export function openDumpFile(path: string): DumpFile {
  let descriptor: number;
  let bytes: number;
  try {
    descriptor = openSync(path, "r");
    const status = fstatSync(descriptor);
    if (status.isDirectory()) throw Object.assign(new Error("it is a folder"), { code: "EISDIR" });
    bytes = status.size;
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? "";
    throw new StopcodeError("io/open", `cannot open the file: ${(cause as Error).message}`, {
      where: { file: path },
      hint: ADVICE[code] ?? "check the path and the disk",
      cause,
    });
  }
  return descriptorFile(path, descriptor, bytes);
}

/**
 * The bytes behind an open descriptor, which `close()` closes; `path` is what errors call it.
 * Its `read` also throws `io/read`, with what the system said.
 */
export function descriptorFile(path: string, descriptor: number, bytes: number): DumpFile {
  let open = true;
  const readSome = (target: Buffer, done: number, position: number): number => {
    try {
      return readSync(descriptor, target, done, target.length - done, position);
    } catch (cause) {
      throw new StopcodeError("io/read", `cannot read the file: ${(cause as Error).message}`, {
        where: { file: path, offset: position },
        hint: "check the disk, or copy the dump to another one",
        cause,
      });
    }
  };
  return {
    path,
    bytes,
    read(offset, length) {
      if (offset < 0 || offset + length > bytes)
        throw new StopcodeError(
          "dump/truncated",
          `${length} bytes are needed at byte ${offset}, the file ends at ${bytes}`,
          {
            where: { file: path, offset },
            hint: "the dump was cut off or is still being written; `stopcode dump info` shows what can be read",
          },
        );
      const target = Buffer.allocUnsafe(length);
      let done = 0;
      while (done < length) {
        const got = readSome(target, done, offset + done);
        if (got === 0)
          throw new StopcodeError("dump/truncated", `the file shrank while it was read: ${done} of ${length} bytes`, {
            where: { file: path, offset: offset + done },
            hint: "wait until the dump is written, then try again",
          });
        done += got;
      }
      return target;
    },
    close() {
      // A second close could hit another file that got the same descriptor since.
      if (open) closeSync(descriptor);
      open = false;
    },
  };
}
