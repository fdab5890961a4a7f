import { AllowedTranslations } from "./allowed-translations.ts";
import type { Exploration } from "./exploration.ts";
import { Fingerprint } from "./fingerprint.ts";
import { type MachineKind, ShootdownMachine } from "./machine.ts";
import { everyMove, MovedMachine } from "./moves.ts";
import { isAccess, type Observed, told } from "./step.ts";

/**
 * Every sequence of up to so many moves, with no state left out because it was met before: what an exploration of that depth has to
 * have come to as well, and nothing else. @returns the first difference in words, or null
 */
export function compareWithEnumeration(
  kind: MachineKind,
  observed: Observed,
  exploration: Exploration,
  length: number,
) {
  const machine = new ShootdownMachine(kind);
  const stage = new MovedMachine(machine, new AllowedTranslations(kind.processors, kind.identifiers), observed);
  stage.reset();
  const fingerprint = new Fingerprint(machine, observed);
  const all = everyMove(machine);
  const reached = new Set([fingerprint.take()]);
  /** By fingerprint, number of others' places and move: what came of it. */
  const results = new Map<string, string>();
  const path: number[] = [];
  let difference: string | null = null;

  const visit = (): void => {
    stage.reset();
    for (const number of path.slice(0, -1)) if (!stage.make(all[number]!)) return;
    const before = [
      fingerprint.take(),
      ...[...machine.engines.keys()].map((processor) => machine.spaceOf(processor)),
    ].join();
    const move = path.at(-1)!;
    const isMove = stage.make(all[move]!);
    const after = fingerprint.take();
    const outcome = isAccess(all[move]!.step) ? stage.outcome : "";
    const result = isMove ? `${after} ${outcome} ${stage.isSound}` : "no move";
    const known = results.get(`${before}/${move}`);
    results.set(`${before}/${move}`, result);
    if (!isMove) return;
    reached.add(after);
    const isNews = known !== undefined && all[move]!.comesTo === 0 && known !== result;
    if (isNews || !stage.isSound || !exploration.covers(after, stage.allowed.allowed(observed)))
      difference ??= `${stage.steps.map(told).join("; ")}: ${result}, not ${known}`;
  };
  const extend = (left: number): void => {
    for (let move = 0; move < all.length; move++) {
      path.push(move);
      visit();
      if (left > 1) extend(left - 1);
      path.pop();
    }
  };
  extend(length);
  return difference ?? (reached.size === exploration.machineStates ? null : `${reached.size} states`);
}
