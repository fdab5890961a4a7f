import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { basename, dirname } from "node:path";

/** Which state of a git checkout a file is in. */
export interface GitCommit {
  /** The commit that is checked out. */
  readonly id: string;
  /** Whether the file is, byte for byte, as that commit has it. */
  readonly unchanged: boolean;
}

/**
 * The commit that a file in a git checkout comes from; null where there is no checkout, or no git.
 *
 * Only `git rev-parse` is run: `git status` and `git diff` run programs that a checkout's own configuration names.
 */
export function gitCommit(file: string): GitCommit | null {
  const revision = (name: string) => {
    const { status, stdout } = spawnSync("git", ["-C", dirname(file), "rev-parse", "--verify", "--quiet", name], {
      encoding: "utf8",
      // A hook of another checkout has these set.
      env: { ...process.env, GIT_DIR: undefined, GIT_WORK_TREE: undefined, GIT_INDEX_FILE: undefined },
    });
    return status === 0 ? stdout.trim() : null;
  };
  const id = revision("HEAD");
  return id === null ? null : { id, unchanged: revision(`HEAD:./${basename(file)}`) === blobId(file, id.length) };
}

/** How git names a file's content; 40 digits are SHA-1, 64 are SHA-256. */
function blobId(file: string, digits: number): string {
  const content = readFileSync(file);
  return createHash(digits === 40 ? "sha1" : "sha256")
    .update(`blob ${content.length}\0`)
    .update(content)
    .digest("hex");
}
