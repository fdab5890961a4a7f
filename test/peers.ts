import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { describe, it } from "vitest";

/** Real data that lies beside a checkout, never in it. */
export const shared = new URL("../../shared/", import.meta.url).pathname;

/** A path below `shared/data`. */
export const sharedData = (path: string) => join(shared, "data", path);

const onPath = (program: string) =>
  (process.env.PATH ?? "").split(delimiter).some((folder) => existsSync(join(folder, program)));

const pythonHas = (module: string) => spawnSync("/usr/bin/python3", ["-c", `import ${module}`]).status === 0;

/** What a test may need from outside, and whether it is here: a Debian program, a Python module of Debian's, shared data, or to be root. */
export type Peer = { program: string } | { python: string } | { data: string } | { root: true };

const missing = (peer: Peer): string | null => {
  if ("root" in peer) return process.getuid?.() === 0 ? null : "root";
  if ("program" in peer) return onPath(peer.program) ? null : `the program ${peer.program}`;
  if ("python" in peer) return pythonHas(peer.python) ? null : `Debian's python module ${peer.python}`;
  return existsSync(sharedData(peer.data)) ? null : `shared data ${peer.data}`;
};

/**
 * `it`/`describe` for tests that need peers: without them the test is skipped under a name that says what was missing
 * (test/skip-report.ts prints the list, and fails the run in CI).
 */
export function withPeers(...peers: Peer[]): { it: typeof it; describe: typeof describe } {
  const absent = peers.map(missing).filter((what) => what !== null);
  if (absent.length === 0) return { it, describe };
  const suffix = ` [needs ${absent.join(", ")}]`;
  const renamed = (skip: Skip) =>
    Object.assign((name: string, ...rest: unknown[]) => skip(name + suffix, ...rest), {
      each:
        (...cases: unknown[]) =>
        (name: string, ...rest: unknown[]) =>
          skip.each(...cases)(name + suffix, ...rest),
    });
  return {
    it: renamed(it.skip as unknown as Skip) as unknown as typeof it,
    describe: renamed(describe.skip as unknown as Skip) as unknown as typeof describe,
  };
}

/** The part of `it.skip` and `describe.skip` that tests use. */
interface Skip {
  (name: string, ...rest: unknown[]): unknown;
  each(...cases: unknown[]): (name: string, ...rest: unknown[]) => unknown;
}
