import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { LegalCombinations, type ProcessorKind } from "./conditions.ts";
import { ENGINES } from "./engines.ts";
import type { Levels } from "./subject.ts";
import { suitesFor } from "./suites.ts";
import { type Surroundings, surroundingsOf } from "./surroundings.ts";
import { type ConditionsReport, type ConditionsTask, casesOf, DONE, FAILED, PROGRESS_BYTES } from "./task.ts";

/**
 * `npm run conformance:paging`: every legal combination of the access.c conditions, some of them in other surroundings, and the
 * suites that are told, in every engine, with four and with five levels; a line for each, with the conditions run and how many of
 * them failed. Exits with 1 when anything failed. Engines can be named as arguments.
 */

/** The processor that can meet most conditions: bits 36 and 51 are both reserved. */
const KIND: ProcessorKind = { maxPhysicalAddressBits: 36, protectionKeys: true };
const PROGRESS_MILLISECONDS = 2000;
const TOLD_FAILURES = 10;
const NAME_WIDTH = 42;
const text = new Intl.NumberFormat("en");

const { count } = new LegalCombinations(KIND);

/** What a line of the summary says. */
interface Outcome {
  readonly name: string;
  readonly conditions: number;
  readonly failures: number;
  /** What there is to be said besides. */
  readonly note: string;
  readonly told: readonly string[];
}

/** Combinations on all processors of this machine. @param first number of the first one */
async function runConditions(
  workers: readonly Worker[],
  engine: string,
  levels: Levels,
  around: Surroundings,
  first: number,
): Promise<ConditionsReport> {
  const progress = new Int32Array(new SharedArrayBuffer(PROGRESS_BYTES));
  const cases = casesOf({ around, first }, count);
  const start = performance.now();
  const timer = setInterval(() => {
    const done = Atomics.load(progress, DONE);
    const rate = (done * 1000) / (performance.now() - start);
    const left = rate > 0 ? `${Math.ceil((cases - done) / rate)} s left` : "starting";
    process.stderr.write(
      `${engine}, ${levels} levels, ${around.name}: ${text.format(done)} of ${text.format(cases)}, ` +
        `${text.format(Math.round(rate))}/s, ${left}, ${text.format(Atomics.load(progress, FAILED))} failed\n`,
    );
  }, PROGRESS_MILLISECONDS);
  try {
    const task: ConditionsTask = { engine, levels, kind: KIND, around, first, progress };
    const reports = await Promise.all(workers.map((worker) => reportOf(worker, task)));
    if (Atomics.load(progress, DONE) !== cases) throw new Error(`${engine}: not every combination was tried`);
    return {
      failures: reports.reduce((sum, report) => sum + report.failures, 0),
      accessedByFault: reports.reduce((sum, report) => sum + report.accessedByFault, 0),
      told: reports.flatMap((report) => report.told).slice(0, TOLD_FAILURES),
    };
  } finally {
    clearInterval(timer);
  }
}

function reportOf(worker: Worker, task: ConditionsTask): Promise<ConditionsReport> {
  return new Promise((resolve, reject) => {
    worker.removeAllListeners();
    worker.once("message", resolve);
    worker.once("error", reject);
    worker.once("exit", (code) => reject(new Error(`a worker ended with ${code} before it had reported`)));
    worker.postMessage(task);
  });
}

async function conditionsOutcome(
  workers: readonly Worker[],
  engine: string,
  levels: Levels,
  around: Surroundings,
  number: number,
): Promise<Outcome> {
  const first = number % around.stride;
  const start = performance.now();
  const { failures, accessedByFault, told } = await runConditions(workers, engine, levels, around, first);
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  const note = `${seconds} s, accessed flag set by ${text.format(accessedByFault)} faults`;
  return { name: around.name, conditions: casesOf({ around, first }, count), failures, note, told };
}

function suiteOutcomes(engine: string, levels: Levels): Outcome[] {
  const make = ENGINES[engine]!;
  return suitesFor(make(KIND, levels)).map(({ name, scenarios }) => {
    const problems = scenarios.map((scenario) => ({ scenario, what: scenario.run(make(KIND, levels), levels) }));
    const wrong = problems.filter(({ what }) => what.length > 0);
    const told = wrong.flatMap(({ scenario, what }) => what.map((problem) => `${scenario.name}: ${problem}`));
    return { name, conditions: scenarios.length, failures: wrong.length, note: "", told };
  });
}

/** @returns whether everything passed */
async function runEngine(engine: string, levels: Levels): Promise<boolean> {
  const start = performance.now();
  const outcomes: Outcome[] = [];
  const url = new URL("./all-conditions-worker.ts", import.meta.url);
  const workers = Array.from({ length: availableParallelism() }, () => new Worker(url));
  for (const [number, around] of surroundingsOf(ENGINES[engine]!(KIND, levels)).entries())
    outcomes.push(await conditionsOutcome(workers, engine, levels, around, number));
  await Promise.all(workers.map((worker) => worker.terminate()));
  outcomes.push(...suiteOutcomes(engine, levels));
  const sum = (of: "conditions" | "failures") => outcomes.reduce((total, outcome) => total + outcome[of], 0);
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  process.stdout.write(
    `${engine}, ${levels} levels: ${text.format(sum("conditions"))} conditions in ${seconds} s, ${text.format(sum("failures"))} failed\n`,
  );
  for (const { name, conditions, failures, note, told } of outcomes) {
    const numbers = `${text.format(conditions).padStart(10)} conditions, ${text.format(failures)} failed`;
    process.stdout.write(`  ${name.padEnd(NAME_WIDTH)} ${numbers}${note === "" ? "" : `; ${note}`}\n`);
    for (const line of told) process.stdout.write(`    ${line}\n`);
  }
  return sum("failures") === 0;
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
