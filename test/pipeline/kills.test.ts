import { spawn } from "node:child_process";
import { once } from "node:events";
import { afterAll, describe, expect, it } from "vitest";
import { listCrashes, verifyCrash } from "../../src/archive/index.ts";
import { CrashHistory } from "../../src/history/index.ts";
import { fixture, temporaryFolder } from "../stopcode.ts";

/** How many runs are killed: a few in the ordinary tests, 50 under `npm run conformance:kills`. */
const KILLS = Number(process.env.STOPCODE_KILLS ?? 6);

const folder = temporaryFolder();
afterAll(() => folder.remove());

const program = new URL("../../bin/dev.js", import.meta.url).pathname;

/** Starts the main job and kills it so many milliseconds later; true when it was still running then. */
async function killedAfter(milliseconds: number, home: string): Promise<boolean> {
  const child = spawn(process.execPath, [program, "host", "run", fixture("scenarios/pte-leak.yaml")], {
    env: { ...process.env, STOPCODE_HOME: home, NODE_ENV: "production" },
    stdio: "ignore",
  });
  const ended = once(child, "exit");
  const timer = setTimeout(() => child.kill("SIGKILL"), milliseconds);
  const [, signal] = await ended;
  clearTimeout(timer);
  return signal === "SIGKILL";
}

describe(`failure management 2.7/19: a run that is killed (${KILLS} times)`, () => {
  it("leaves folders that are whole or recognised as incomplete, and a history that rebuilds to the same rows", async () => {
    const home = folder.in("home");
    const begun = performance.now();
    expect(await killedAfter(600_000, home)).toBe(false);
    const wholeRun = performance.now() - begun;

    let killed = 0;
    for (let n = 0; n < KILLS; n += 1) {
      if (await killedAfter(Math.random() * wholeRun, home)) killed += 1;
      const { complete, incomplete } = listCrashes(home);
      for (const crash of complete) expect((await verifyCrash(crash.folder)).problems).toEqual([]);
      for (const crash of incomplete) expect((await verifyCrash(crash.folder)).whole).toBe(false);
    }
    expect(killed).toBeGreaterThan(KILLS / 2);

    const history = await CrashHistory.open(home);
    const before = history.list();
    const rebuilt = await history.rebuild();
    expect(rebuilt.dropped).toEqual([]);
    expect(history.list()).toEqual(before);
    expect(before.map((row) => row.id).sort()).toEqual(
      listCrashes(home)
        .complete.map(({ id }) => id)
        .sort(),
    );
    history.close();
    console.error(
      `killed ${killed} of ${KILLS} runs of ${Math.round(wholeRun)} ms: ${before.length} crashes whole and recorded, ${rebuilt.incomplete.length} folders recognised as incomplete`,
    );
  }, 1_200_000);
});
