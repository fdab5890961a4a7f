import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const program = new URL("../bin/dev.js", import.meta.url).pathname;

/** How a command ended, as a shell would see it. */
export interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** No command of a test takes so long, on the slowest machine; in milliseconds. */
const LONGEST = 50_000;

/** Runs the command line as a person does: a process of its own, with its exit code. */
export function stopcode(args: readonly string[], home: string): Outcome {
  const run = () =>
    spawnSync(process.execPath, [program, ...args], {
      encoding: "utf8",
      env: { ...process.env, STOPCODE_HOME: home, NO_COLOR: "1", NODE_ENV: "production" },
      maxBuffer: 512 * 1024 * 1024,
      timeout: LONGEST,
      killSignal: "SIGKILL",
    });
  let ended = run();
  // Once in thousands of times Node 24 is done and does not exit: its threads wait for each other (nodejs/node#54918).
  if (ended.signal === "SIGKILL" && ended.status === null) ended = run();
  const { status, stdout, stderr } = ended;
  return { status, stdout, stderr };
}

/** The document a command prints under `--json`. */
export function stopcodeJson<T>(args: readonly string[], home: string): T {
  const { stdout, stderr } = stopcode([...args, "--json"], home);
  if (stdout === "") throw new Error(`nothing was printed; stderr: ${stderr}`);
  return JSON.parse(stdout) as T;
}

/** A folder for one test file; `remove` takes it away. */
export function temporaryFolder(): { readonly path: string; readonly in: (name: string) => string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), "stopcode-test-"));
  return { path, in: (name) => join(path, name), remove: () => rmSync(path, { recursive: true, force: true }) };
}

export const fixture = (name: string): string => new URL(`../fixtures/${name}`, import.meta.url).pathname;
