import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { LegalCombinations, type ProcessorKind } from "./conditions.ts";
import { ENGINES } from "./engines.ts";
import type { Levels } from "./subject.ts";
import { scenariosFor } from "./suites.ts";
import { type ConditionsReport, type ConditionsTask, DONE, FAILED, PROGRESS_BYTES } from "./task.ts";

/**
 * `npm run conformance:paging`: every legal combination of the access.c conditions, the six scenarios and the smaller
 * suites, in every engine, with four and with five levels. Exits with 1 when anything failed. Engines can be named as arguments.
 */

/** The processor that can meet most conditions: bits 36 and 51 are both reserved. */
const KIND: ProcessorKind = { maxPhysicalAddressBits: 36, protectionKeys: true };
const PROGRESS_MILLISECONDS = 2000;
const TOLD_FAILURES = 10;
const text = new Intl.NumberFormat("en");

const { count } = new LegalCombinations(KIND);

/** All combinations on all processors of this machine. @returns failed combinations, the first of them in words */
async function runConditions(engine: string, levels: Levels): Promise<ConditionsReport> {
  const progress = new Int32Array(new SharedArrayBuffer(PROGRESS_BYTES));
  const start = performance.now();
  const timer = setInterval(() => {
    const done = Atomics.load(progress, DONE);
    const rate = (done * 1000) / (performance.now() - start);
    const left = rate > 0 ? `${Math.ceil((count - done) / rate)} s left` : "starting";
    process.stderr.write(
      `${engine}, ${levels} levels: ${text.format(done)} of ${text.format(count)}, ${text.format(Math.round(rate))}/s, ` +
        `${left}, ${text.format(Atomics.load(progress, FAILED))} failed\n`,
    );
  }, PROGRESS_MILLISECONDS);
  try {
    const task: ConditionsTask = { engine, levels, kind: KIND, progress };
    const reports = await Promise.all(Array.from({ length: availableParallelism() }, () => runWorker(task)));
    if (Atomics.load(progress, DONE) !== count) throw new Error(`${engine}: not every combination was tried`);
    return {
      failures: reports.reduce((sum, report) => sum + report.failures, 0),
      accessedByFault: reports.reduce((sum, report) => sum + report.accessedByFault, 0),
      told: reports.flatMap((report) => report.told).slice(0, TOLD_FAILURES),
    };
  } finally {
    clearInterval(timer);
  }
}

function runWorker(task: ConditionsTask): Promise<ConditionsReport> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL("./all-conditions-worker.ts", import.meta.url), { workerData: task });
    worker.once("message", resolve);
    worker.once("error", reject);
    worker.once("exit", (code) => reject(new Error(`a worker ended with ${code} before it had reported`)));
  });
}

/** @returns how many scenarios there are, and what went wrong in them */
function runScenarios(engine: string, levels: Levels): { scenarios: number; problems: string[] } {
  const make = ENGINES[engine]!;
  const scenarios = scenariosFor(make(KIND, levels));
  const problems = scenarios.flatMap(({ name, run }) =>
    run(make(KIND, levels), levels).map((what) => `${name}: ${what}`),
  );
  return { scenarios: scenarios.length, problems };
}

/** @returns whether everything passed */
async function runEngine(engine: string, levels: Levels): Promise<boolean> {
  const start = performance.now();
  const { failures, accessedByFault, told } = await runConditions(engine, levels);
  const seconds = (performance.now() - start) / 1000;
  const { scenarios, problems } = runScenarios(engine, levels);
  process.stdout.write(
    `${engine}, ${levels} levels: ${text.format(count)} combinations in ${seconds.toFixed(1)} s, ` +
      `${text.format(failures)} failed, accessed flag set by ${text.format(accessedByFault)} faults; ${scenarios} scenarios, ${problems.length} problems\n`,
  );
  for (const line of [...told, ...problems]) process.stdout.write(`  ${line}\n`);
  return failures === 0 && problems.length === 0;
}

const asked = process.argv.slice(2);
const unknown = asked.filter((name) => ENGINES[name] === undefined);
if (unknown.length > 0) {
  process.stderr.write(`there is no engine ${unknown.join(", ")}; there are: ${Object.keys(ENGINES).join(", ")}\n`);
  process.exitCode = 2;
} else {
  let passed = true;
  for (const engine of asked.length > 0 ? asked : Object.keys(ENGINES))
    for (const levels of [4, 5] as const) passed = (await runEngine(engine, levels)) && passed;
  process.exitCode = passed ? 0 : 1;
}
