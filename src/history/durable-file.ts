import { closeSync, fsyncSync, openSync, renameSync, writeSync } from "node:fs";

/** Replaces a file so that after any crash either the old or the new content is there, whole. */
export function replaceFile(path: string, content: Uint8Array): void {
  const fresh = `${path}.${process.pid}.new`;
  const descriptor = openSync(fresh, "w", 0o600);
  try {
    let done = 0;
    while (done < content.length) done += writeSync(descriptor, content, done);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  renameSync(fresh, path);
}
