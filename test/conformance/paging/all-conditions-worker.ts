import { parentPort } from "node:worker_threads";
import type { AccessRun } from "./access-run.ts";
import { LegalCombinations } from "./conditions.ts";
import { accessRun, ENGINES } from "./engines.ts";
import { type ConditionsReport, type ConditionsTask, casesOf, DONE, FAILED, NEXT_BLOCK } from "./task.ts";

/** Neighbouring combinations have the processor's settings in common, so a worker takes many in a row. */
const BLOCK = 2 ** 15;
/** The loop is left and entered again after so many cases: one that Node enters while it runs interpreted stays slow. */
const LOOP = 512;

function tryRange(run: AccessRun, combinations: LegalCombinations, first: number, end: number, stride: number): void {
  for (let index = first; index < end; index += stride) run.try(combinations.at(index));
}

function work(task: ConditionsTask): ConditionsReport {
  const { engine, levels, kind, around, first, progress } = task;
  const { stride } = around;
  const combinations = new LegalCombinations(kind);
  const cases = casesOf(task, combinations.count);
  const run = accessRun(ENGINES[engine]!, kind, levels, around);
  for (;;) {
    const begin = Atomics.add(progress, NEXT_BLOCK, 1) * BLOCK;
    if (begin >= cases) {
      const { failures, accessedByFault, told } = run;
      return { failures, accessedByFault, told };
    }
    const end = Math.min(begin + BLOCK, cases);
    const failuresBefore = run.failures;
    for (let from = begin; from < end; from += LOOP) {
      const to = Math.min(from + LOOP, end);
      tryRange(run, combinations, first + from * stride, first + to * stride, stride);
    }
    Atomics.add(progress, DONE, end - begin);
    Atomics.add(progress, FAILED, run.failures - failuresBefore);
  }
}

parentPort!.on("message", (task: ConditionsTask) => parentPort!.postMessage(work(task)));
