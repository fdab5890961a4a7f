import { GUEST_FLAGS } from "../../../src/hypervisor/translation/shadow/entry.ts";
import { AllowedTranslations } from "./allowed-translations.ts";
import { Fingerprint } from "./fingerprint.ts";
import { type MachineKind, ShootdownMachine } from "./machine.ts";
import { everyMove, type Move, MovedMachine } from "./moves.ts";
import type { Random } from "./random.ts";
import { isAccess, isEdit, type Observed, told } from "./step.ts";

const LONGEST = 16;
const CONTINUATION = 6;

/** How many pairs there were, and the first that was told apart, in words. */
export interface Pairs {
  readonly pairs: number;
  readonly toldApart: string | null;
}

/**
 * Whether machines with one fingerprint do the same ever after: random ways to it, two at a time, and random moves from there. Of each
 * move the outcome, the fault, whether the engine had to run, and the fingerprint have to be equal.
 *
 * @param without the component that is left out of the fingerprint
 */
export function comparePairs(
  kind: MachineKind,
  observed: Observed,
  ways: number,
  random: Random,
  without?: string,
): Pairs {
  const machine = new ShootdownMachine(kind);
  const stage = new MovedMachine(machine, new AllowedTranslations(kind.processors, kind.identifiers), observed);
  stage.reset();
  const fingerprint = new Fingerprint(machine, observed, without);
  const all = everyMove(machine);
  // There are many more flushes than edits, and most accesses lead elsewhere: what concerns the page is drawn half of the time.
  const concerns = ({ step, comesTo }: Move) =>
    step.page === observed.page && (isAccess(step) ? comesTo === 0 : isEdit(step) && step.space === observed.space);
  const near = [...all.keys()].filter((number) => concerns(all[number]!));
  const drawMove = () => (random.below(2) === 0 ? near[random.below(near.length)]! : random.below(all.length));
  const draw = (length: number) => Array.from({ length }, drawMove);

  /** The fingerprint counts them only: of three processors, those are compared where the same ones are. */
  const whereOthersAre = () =>
    kind.processors < 3 ? [] : [...machine.engines.keys()].map((processor) => machine.spaceOf(processor));

  /** What is seen of moves after others; and where the others have led. */
  const follow = (way: readonly number[], continuation: readonly number[]) => {
    stage.reset();
    for (const number of way) stage.make(all[number]!);
    const place = [fingerprint.take(), ...whereOthersAre()].join();
    const seen = continuation.map((number) => {
      const { step } = all[number]!;
      const engine = machine.engines[step.processor]!;
      const { runs } = engine;
      if (!stage.make(all[number]!)) return "no move";
      const isHere = isAccess(step) && all[number]!.comesTo === 0;
      const fault = stage.outcome === 0 ? `${engine.refusal} ${engine.errorCode}` : "";
      const access = isHere ? `${stage.outcome} ${fault} ${engine.runs - runs}` : "";
      const flags = machine.guestEntry(observed.space, observed.page) & GUEST_FLAGS;
      return `${told(step)}: ${access} ${flags} ${fingerprint.take()}`;
    });
    return { place, seen };
  };

  const before = new Map<string, number[]>();
  let pairs = 0;
  for (let count = 0; count < ways; count++) {
    const way = draw(random.below(LONGEST + 1));
    const { place } = follow(way, []);
    const other = before.get(place);
    before.set(place, way);
    if (other === undefined) continue;
    pairs++;
    const continuation = draw(CONTINUATION);
    const [one, two] = [follow(way, continuation).seen, follow(other, continuation).seen];
    const different = one.findIndex((line, index) => line !== two[index]);
    if (different >= 0) return { pairs, toldApart: `${one[different]} and ${two[different]}` };
  }
  return { pairs, toldApart: null };
}
