import { readdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import type { Scenario } from "../../../src/host/index.ts";
import { readScenario } from "../../../src/pipeline/index.ts";
import { type Detection, type Judgement, judgementOf, MOST_BOOTS, MOST_WRONG_PROBABLE } from "./judgement.ts";
import type { Outcome, Task } from "./runs.ts";

/**
 * `npm run conformance:diagnosis`: every shipped scenario that has a verdict, with 20 seeds, and with its own seed every other that says which stops
 * it ends in, as `host run` runs them. A table says how many ended so, and whether anybody was accused wrongly; a second one how long each fault took
 * to be noticed, and what it had done to others by then, with and without the checks that the diagnosis armed (systems.md 6.6/18, 6.6/19); where
 * a scenario has checks on from the first start, what comes without them is run for it.
 * Exits with 1 where a promise is not kept. Arguments: names of scenarios, and `--seeds 3`.
 */

const SEEDS = 20;
const PROGRESS_MILLISECONDS = 5000;
const FOLDER = fileURLToPath(new URL("../../../fixtures/scenarios/", import.meta.url));

interface Subject {
  readonly name: string;
  readonly path: string;
  readonly scenario: Scenario;
  /** As they come. */
  readonly outcomes: Outcome[];
  /** Where it has checks on from the first start: what comes without them. */
  readonly unchecked: Outcome[];
}

const { seeds, names } = asked(process.argv.slice(2));
const subjects = (await Promise.all(readdirSync(FOLDER).filter(isWanted).map(subjectOf))).filter(
  ({ scenario: { expect, verdict } }) => expect.length > 0 || verdict !== undefined,
);
await runAll();
process.exitCode = told() ? 0 : 1;

function asked(words: string[]): { readonly seeds: number; readonly names: readonly string[] } {
  const at = words.indexOf("--seeds");
  const count = at < 0 ? SEEDS : Number(words.splice(at, 2)[1]);
  return { seeds: count, names: words };
}

function isWanted(file: string): boolean {
  return file.endsWith(".yaml") && (names.length === 0 || names.includes(file.replace(".yaml", "")));
}

async function subjectOf(file: string): Promise<Subject> {
  const path = FOLDER + file;
  return { name: file.replace(".yaml", ""), path, scenario: await readScenario(path), outcomes: [], unchecked: [] };
}

/** All runs, on all processors: seed by seed, so that the time left can be told early. */
async function runAll(): Promise<void> {
  const tasks = Array.from({ length: seeds }, (_, index) =>
    subjects.flatMap((subject) => {
      const { verdict, seed: own, partitions } = subject.scenario;
      const task = { subject, seed: verdict === undefined ? own : index + 1, isUnchecked: false };
      if (verdict === undefined) return index === 0 ? [task] : [];
      return partitions.some(({ armed }) => armed.length > 0) ? [task, { ...task, isUnchecked: true }] : [task];
    }),
  ).flat();
  const begun = performance.now();
  let done = 0;
  const timer = setInterval(() => {
    const left =
      done === 0 ? "" : `, ${Math.ceil((((performance.now() - begun) / done) * (tasks.length - done)) / 1000)} s left`;
    process.stderr.write(`${done} of ${tasks.length} runs${left}\n`);
  }, PROGRESS_MILLISECONDS);
  const workers = Array.from(
    { length: availableParallelism() },
    () => new Worker(new URL("./worker.ts", import.meta.url)),
  );
  let next = 0;
  const work = async (worker: Worker) => {
    for (let task = tasks[next++]; task !== undefined; task = tasks[next++]) {
      const { subject, seed, isUnchecked } = task;
      const outcome = await outcomeBy(worker, { path: subject.path, seed, isUnchecked });
      subject[isUnchecked ? "unchecked" : "outcomes"].push(outcome);
      done++;
    }
  };
  try {
    await Promise.all(workers.map(work));
  } finally {
    clearInterval(timer);
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}

function outcomeBy(worker: Worker, task: Task): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    worker.removeAllListeners();
    worker.once("message", resolve);
    worker.once("error", reject);
    worker.postMessage(task);
  });
}

/** Prints the tables; true where every promise is kept. */
function told(): boolean {
  const judged = subjects.map(({ name, scenario, outcomes, unchecked }) => ({
    name,
    ...judgementOf(scenario, outcomes, unchecked),
  }));
  const runs = judged.reduce((sum, one) => sum + one.runs, 0);
  const wrongProbable = judged.reduce((sum, one) => sum + one.wrongProbable, 0);
  line("scenario                        as expected   boots   wrong identified   wrong probable");
  for (const one of judged) {
    const numbers = `${one.asExpected} of ${one.runs}`.padStart(11) + String(one.boots).padStart(8);
    line(
      one.name.padEnd(32) + numbers + String(one.wrongIdentified).padStart(19) + String(one.wrongProbable).padStart(17),
    );
    if (one.complaint !== null) line(`  ${one.complaint}`);
  }
  const faults = judged.filter(({ without, armed }) => without !== null || armed !== null);
  line("\nfault                           seconds until the stop      bytes of others changed by then");
  line("                                without checks     with     without checks     with");
  for (const { name, without, armed } of faults)
    line(
      name.padEnd(32) +
        pair(without, armed, ({ seconds }) => seconds.toFixed(2)) +
        pair(without, armed, ({ bytesOfOthers }) => bytesOfOthers.toFixed(0)),
    );
  const harmful = faults.filter(({ isIdentified, without }) => isIdentified && (without?.bytesOfOthers ?? 0) > 0);
  const stopped = harmful.filter(({ isStoppedAtAccess }) => isStoppedAtAccess);
  line("");
  const promises = [
    promise(
      "every run ends as its scenario says",
      judged.every((one) => one.asExpected === one.runs),
    ),
    promise(
      `no diagnosis needs more than ${MOST_BOOTS} starts`,
      judged.every(({ boots }) => boots <= MOST_BOOTS),
    ),
    promise(
      "nobody is identified wrongly",
      judged.every(({ wrongIdentified }) => wrongIdentified === 0),
    ),
    promise(
      `in at most ${MOST_WRONG_PROBABLE} % of ${runs} runs somebody is called probable wrongly (${wrongProbable})`,
      wrongProbable * 100 <= runs * MOST_WRONG_PROBABLE,
    ),
    promise(
      `what special pool stops at the access is noticed sooner with it than without (${stopped.length} faults)`,
      stopped.every(({ without, armed }) => armed !== null && armed.seconds < without!.seconds),
    ),
    promise(
      `who is identified has damaged memory of others without checks, and none with them (${harmful.length} faults)`,
      harmful.every(({ armed }) => armed?.bytesOfOthers === 0),
    ),
  ];
  if (names.length === 0) {
    const [without, armed] = meansOf(faults);
    promises.push(
      promise(
        `the mean of all faults that come with and without checks is ${armed.toFixed(2)} s with them, and not ${without.toFixed(2)}`,
        armed < without,
      ),
    );
  }
  return promises.every((holds) => holds);
}

/** Seconds until the stop without checks and with them, of faults that have come both ways. */
function meansOf(faults: readonly Judgement[]): readonly [number, number] {
  const both = faults.flatMap(({ without, armed }) =>
    without && armed ? [[without.seconds, armed.seconds] as const] : [],
  );
  const mean = (which: 0 | 1) => both.reduce((sum, one) => sum + one[which], 0) / both.length;
  return [mean(0), mean(1)];
}

function pair(without: Judgement["without"], armed: Judgement["armed"], text: (of: Detection) => string): string {
  return `${(without === null ? "-" : text(without)).padStart(14) + (armed === null ? "-" : text(armed)).padStart(9)}     `;
}

function promise(what: string, holds: boolean): boolean {
  line(`${what}: ${holds ? "holds" : "DOES NOT HOLD"}`);
  return holds;
}

function line(text: string): void {
  process.stdout.write(`${text.trimEnd()}\n`);
}
