import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, watch } from "node:fs";
import { afterAll, describe, expect, it } from "vitest";
import { isCrashId, listCrashes, verifyCrash } from "../../src/archive/index.ts";
import { CrashHistory } from "../../src/history/index.ts";
import { fixture, temporaryFolder } from "../stopcode.ts";

/** How many runs are killed: a few in the ordinary tests, 50 under `npm run conformance:kills`. */
const KILLS = Number(process.env.STOPCODE_KILLS ?? 6);

/** Milliseconds for which a crash is being written: from its folder's appearance to its line in the journal, and some more. */
const WRITING = 500;

const folder = temporaryFolder();
afterAll(() => folder.remove());

const program = new URL("../../bin/dev.js", import.meta.url).pathname;

/** Starts the main job in a home; `killed` tells, when it has ended, whether a kill ended it. */
function start(home: string) {
  const child = spawn(process.execPath, [program, "host", "run", fixture("scenarios/pte-leak.yaml")], {
    env: { ...process.env, STOPCODE_HOME: home, NODE_ENV: "production" },
    stdio: "ignore",
  });
  const killed = once(child, "exit").then(([, signal]) => signal === "SIGKILL");
  return { killed, kill: () => child.kill("SIGKILL") };
}

/** Kills a run at a random moment of it. */
async function killedSomewhere(home: string, wholeRun: number): Promise<boolean> {
  const run = start(home);
  const timer = setTimeout(run.kill, Math.random() * wholeRun);
  const killed = await run.killed;
  clearTimeout(timer);
  return killed;
}

/** Kills a run at a random moment while it writes its first or second crash. */
async function killedWriting(home: string): Promise<boolean> {
  const seen = new Set(
    listCrashes(home)
      .complete.concat(listCrashes(home).incomplete)
      .map(({ id }) => id),
  );
  let left = Math.random() < 0.5 ? 1 : 2;
  const run = start(home);
  const watcher = watch(home, (_, name) => {
    if (name === null || !isCrashId(name) || seen.has(name)) return;
    seen.add(name);
    left -= 1;
    if (left === 0) setTimeout(run.kill, Math.random() * WRITING);
  });
  const killed = await run.killed;
  watcher.close();
  return killed;
}

describe(`failure management 2.7/19: a run that is killed (${KILLS} times)`, () => {
  it("leaves folders that are whole or recognised as incomplete, and a history that rebuilds to the same rows", async () => {
    const home = folder.in("home");
    mkdirSync(home);
    const begun = performance.now();
    expect(await start(home).killed).toBe(false);
    const wholeRun = performance.now() - begun;

    const verified = new Set<string>();
    let [runs, kills] = [0, 0];
    while (kills < KILLS) {
      runs += 1;
      if (await (runs % 2 ? killedWriting(home) : killedSomewhere(home, wholeRun))) kills += 1;
      const { complete, incomplete } = listCrashes(home);
      for (const crash of complete.filter(({ id }) => !verified.has(id))) {
        expect((await verifyCrash(crash.folder)).problems).toEqual([]);
        verified.add(crash.id);
      }
      for (const crash of incomplete) expect((await verifyCrash(crash.folder)).whole).toBe(false);
    }

    const history = await CrashHistory.open(home);
    const before = history.list();
    const rebuilt = await history.rebuild();
    expect(rebuilt.dropped).toEqual([]);
    expect(history.list()).toEqual(before);
    expect(before.map((row) => row.id).sort()).toEqual(listCrashes(home).complete.map(({ id }) => id));
    history.close();
    console.error(
      `${kills} of ${runs} runs killed: ${before.length} crashes whole and recorded, ${rebuilt.incomplete.length} folders recognised as incomplete`,
    );
  }, 1_200_000);
});
