import { parentPort, workerData } from "node:worker_threads";
import { AccessRun } from "./access-run.ts";
import { LegalCombinations } from "./conditions.ts";
import { ENGINES } from "./engines.ts";
import { type ConditionsReport, type ConditionsTask, DONE, FAILED, NEXT_BLOCK } from "./task.ts";

/** Neighbouring combinations have the processor's settings in common, so a worker takes many in a row. */
const BLOCK = 2 ** 15;
/** The loop is left and entered again after so many cases: one that Node enters while it runs interpreted stays slow. */
const LOOP = 512;

function tryRange(run: AccessRun, combinations: LegalCombinations, first: number, end: number): void {
  for (let index = first; index < end; index++) run.try(combinations.at(index));
}

function work({ engine, levels, kind, progress }: ConditionsTask): ConditionsReport {
  const combinations = new LegalCombinations(kind);
  const run = new AccessRun(ENGINES[engine]!(kind, levels), levels);
  for (;;) {
    const first = Atomics.add(progress, NEXT_BLOCK, 1) * BLOCK;
    if (first >= combinations.count) {
      const { failures, accessedByFault, told } = run;
      return { failures, accessedByFault, told };
    }
    const end = Math.min(first + BLOCK, combinations.count);
    const failuresBefore = run.failures;
    for (let from = first; from < end; from += LOOP) tryRange(run, combinations, from, Math.min(from + LOOP, end));
    Atomics.add(progress, DONE, end - first);
    Atomics.add(progress, FAILED, run.failures - failuresBefore);
  }
}

parentPort!.postMessage(work(workerData as ConditionsTask));
