import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { StopcodeError } from "../binary/index.ts";

/** A sealed file on disk, read where asked. */
export interface OpenFile {
  readonly path: string;
  readonly bytes: number;
  /** @throws StopcodeError `seal/truncated` when the file ends before, `io/read` when the disk fails */
  read(offset: number, length: number): Buffer;
  close(): void;
}

/** @throws StopcodeError `io/open` */
export function openFile(path: string): OpenFile {
  let descriptor: number | null = null;
  let bytes: number;
  try {
    descriptor = openSync(path, "r");
    const status = fstatSync(descriptor);
    if (!status.isFile()) throw new Error("it is not a regular file");
    bytes = status.size;
  } catch (cause) {
    if (descriptor !== null) closeSync(descriptor);
    throw new StopcodeError("io/open", `cannot open the sealed file: ${(cause as Error).message}`, {
      where: { file: path },
      hint: "check the path, and that you may read it",
      cause,
    });
  }
  const file = descriptor;
  return {
    path,
    bytes,
    read: (offset, length) => readExactly(path, file, offset, length),
    close: () => closeSync(file),
  };
}

function readExactly(path: string, descriptor: number, offset: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  for (let done = 0; done < length; ) {
    const got = readSome(path, descriptor, bytes.subarray(done), offset + done);
    if (got === 0)
      throw new StopcodeError("seal/truncated", `the file ends after ${done} of ${length} bytes that are needed here`, {
        where: { file: path, offset: offset + done },
        hint: "the file was cut off, or is still being written: copy it again",
      });
    done += got;
  }
  return bytes;
}

function readSome(path: string, descriptor: number, into: Buffer, offset: number): number {
  try {
    return readSync(descriptor, into, 0, into.length, offset);
  } catch (cause) {
    throw new StopcodeError("io/read", `cannot read the sealed file: ${(cause as Error).message}`, {
      where: { file: path, offset },
      hint: "check the disk; the system's log may say more",
      cause,
    });
  }
}
