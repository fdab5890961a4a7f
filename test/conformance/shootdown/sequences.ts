import { edited, FIRST_WRITABLE } from "./allowed-translations.ts";
import { everyStep, isAccess, isEdit, MOV_CR3, PAGES, SPACES, type Step, SWITCH } from "./step.ts";

/** What is done with each sequence of steps; the array is the same every time. */
export type Visit = (steps: readonly Step[]) => void;

interface Situation {
  /** The values of the entries. */
  readonly values: Uint8Array;
  readonly spaces: Uint8Array;
  /** Whether each entry has been edited. */
  readonly edits: Uint8Array;
  /** A step has told the processors after the first apart. */
  readonly toldApart: boolean;
}

export interface Sequences {
  readonly processors: number;
  readonly hypercalls: boolean;
  /** What each sequence begins with: the caches are warm then. */
  readonly warmUp: readonly Step[];
  /** So many steps follow, of all there are. */
  readonly length: number;
  /**
   * Whose numbers are taken to mean nothing, so that of sequences that differ by them alone one is visited: nobody's, the
   * processors', or the processors' and the pages'. A warm-up has to treat them alike then.
   */
  readonly alike: "nothing" | "processors" | "processors and pages";
}

/**
 * Every sequence of so many steps after a warm-up: every program of every processor, in every interleaving. Shorter ones are the
 * beginnings of these, and every access on the way is checked. What is left out shows nothing, or what another one shows:
 *
 * - The last step is an access to a page that was edited: else there is nothing stale to find at the end.
 * - An edit changes the entry, and a switch the space.
 * - Where processors are alike, the last step is the first one's, and of the others the lower ones act first; where pages
 *   are, the first edit is of the first page. (That before any edit the order of a warm-up's accesses leaves no trace, is
 *   taken for granted.)
 */
export function eachSequence({ processors, hypercalls, warmUp, length, alike }: Sequences, visit: Visit): void {
  const all = everyStep(processors, hypercalls);
  const steps: Step[] = [...warmUp];
  const extend = (situation: Situation, left: number): void => {
    for (const step of all) {
      const next = after(situation, step, left, alike);
      if (next === null) continue;
      steps.push(step);
      if (left === 1) visit(steps);
      else extend(next, left - 1);
      steps.pop();
    }
  };
  const situation: Situation = {
    values: new Uint8Array(SPACES * PAGES).fill(FIRST_WRITABLE),
    spaces: spacesAfter(warmUp, processors),
    edits: new Uint8Array(SPACES * PAGES),
    toldApart: processors < 3 || alike === "nothing",
  };
  extend(situation, length);
}

function spacesAfter(warmUp: readonly Step[], processors: number): Uint8Array {
  const spaces = new Uint8Array(processors);
  for (const { does, processor, space } of warmUp) if (does === MOV_CR3 || does === SWITCH) spaces[processor] = space;
  return spaces;
}

/** How things stand after a step; null for a step that is left out there. */
function after(situation: Situation, step: Step, left: number, alike: Sequences["alike"]): Situation | null {
  const { values, spaces, edits, toldApart } = situation;
  const { does, processor, space, page } = step;
  if (left === 1) {
    const isCheck =
      isAccess(step) && (processor === 0 || alike === "nothing") && edits[spaces[processor]! * PAGES + page] === 1;
    return isCheck ? situation : null;
  }
  if (isEdit(step)) return afterEdit(situation, step, alike === "processors and pages");
  // Nothing can be edited too late to be found.
  if (left === 2 && edits.every((edit) => edit === 0)) return null;
  if (does === SWITCH && spaces[processor] === space) return null;
  const apart = toldApart || (step.mask >> 1) % 4 === 1 || processor === 1;
  if (!apart && ((step.mask >> 1) % 4 === 2 || processor === 2)) return null;
  if (does !== MOV_CR3 && does !== SWITCH) return apart === toldApart ? situation : { ...situation, toldApart: apart };
  const moved = spaces.slice();
  moved[processor] = space;
  return { values, spaces: moved, edits, toldApart: apart };
}

function afterEdit(situation: Situation, { does, space, page }: Step, pagesAlike: boolean): Situation | null {
  const { values, edits } = situation;
  const place = space * PAGES + page;
  const value = edited(values[place]!, does);
  if (value === values[place]) return null;
  if (pagesAlike && page !== 0 && edits.every((edit) => edit === 0)) return null;
  const nowValues = values.slice();
  nowValues[place] = value;
  const nowEdits = edits.slice();
  nowEdits[place] = 1;
  return { ...situation, values: nowValues, edits: nowEdits };
}

/** Every interleaving of programs, one for each processor. */
export function eachInterleaving(programs: readonly (readonly Step[])[], visit: Visit): void {
  const steps: Step[] = [];
  const at = programs.map(() => 0);
  const length = programs.reduce((sum, program) => sum + program.length, 0);
  const extend = (): void => {
    if (steps.length === length) {
      visit(steps);
      return;
    }
    for (const [index, program] of programs.entries()) {
      if (at[index] === program.length) continue;
      steps.push(program[at[index]!]!);
      at[index]!++;
      extend();
      at[index]!--;
      steps.pop();
    }
  };
  extend();
}
