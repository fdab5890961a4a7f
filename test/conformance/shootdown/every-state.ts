import { fork } from "node:child_process";
import { availableParallelism } from "node:os";
import { EVERY_KIND, type Explored, explored, kindName } from "./explored.ts";

/**
 * `npm run conformance:shootdown`: every state that one processor's accesses to a page can tell apart, whatever two or three processors
 * do in two address spaces with two pages, for any number of steps; each kind of machine in a process of its own. Exits with 1
 * when an access was stale, a processor was woken, or a plain machine did what was not explored.
 */

const PROGRESS_MILLISECONDS = 2000;
const text = new Intl.NumberFormat("en");
const start = performance.now();
const seconds = () => ((performance.now() - start) / 1000).toFixed(1);

type Report = { readonly depth: number; readonly states: number; readonly moves: number } | { readonly done: Explored };

/** In a process of its own: one kind, told to the parent. */
function exploreOne(number: number): void {
  let told = performance.now();
  const tell = (report: Report) => process.send!(report);
  const done = explored(EVERY_KIND[number]!, (depth, states, moves) => {
    if (performance.now() - told < PROGRESS_MILLISECONDS) return;
    told = performance.now();
    tell({ depth, states, moves });
  });
  tell({ done });
}

function reportOf(number: number): Promise<Explored> {
  return new Promise((resolve, reject) => {
    const began = performance.now();
    const child = fork(new URL(import.meta.url), [String(number)]);
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`the process ended with ${code} before it had reported`)));
    child.on("message", (report: Report) => {
      if ("done" in report) {
        resolve(report.done);
        child.disconnect();
        return;
      }
      const rate = Math.round((report.moves * 1000) / (performance.now() - began));
      process.stderr.write(
        `${kindName(EVERY_KIND[number]!)}: ${report.depth} moves deep, ${text.format(report.states)} states, ${text.format(report.moves)} moves, ${text.format(rate)}/s\n`,
      );
    });
  });
}

/** @returns whether nothing was wrong */
function tellOutcome(number: number, outcome: Explored): boolean {
  const { states, moves, depth, isClosed, failures, wakes, told, plainSteps, outside } = outcome;
  const all = isClosed ? `all there are, at most ${depth} moves away` : `up to ${depth} moves away, and there are more`;
  process.stdout.write(
    `${kindName(EVERY_KIND[number]!)}\n  ${text.format(states)} states, ${all}; ${text.format(moves)} moves, ${text.format(failures)} failures, ${text.format(wakes)} processors woken; ` +
      `${text.format(plainSteps)} steps of plain machines ${outside === null ? "led to no other" : "led elsewhere"} (${seconds()} s)\n`,
  );
  for (const line of [...told, ...(outside === null ? [] : [outside])]) process.stdout.write(`  ${line}\n`);
  return isClosed && failures === 0 && wakes === 0 && outside === null;
}

async function exploreAll(): Promise<void> {
  const waiting = [...EVERY_KIND.keys()];
  let [isSound, states, moves] = [true, 0, 0];
  const takeTurns = async () => {
    for (let number = waiting.shift(); number !== undefined; number = waiting.shift()) {
      const outcome = await reportOf(number);
      isSound = tellOutcome(number, outcome) && isSound;
      states += outcome.states;
      moves += outcome.moves;
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, takeTurns));
  process.stdout.write(
    `${text.format(states)} states, ${text.format(moves)} moves, ${isSound ? "none" : "some"} stale, ${seconds()} s\n`,
  );
  process.exitCode = isSound ? 0 : 1;
}

const [number] = process.argv.slice(2);
if (number === undefined) await exploreAll();
else exploreOne(Number(number));
