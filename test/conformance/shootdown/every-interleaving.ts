import { everyFamily } from "./families.ts";
import { ShootdownMachine } from "./machine.ts";
import { Trial } from "./trial.ts";

/**
 * `npm run conformance:shootdown`: every sequence of the families, against what the architecture allows. Exits with 1 when an
 * access was stale, a processor was woken, or there were not as many sequences as there have to be.
 */

const text = new Intl.NumberFormat("en");
let cases = 0;
let failures = 0;
const start = performance.now();
const seconds = () => `${((performance.now() - start) / 1000).toFixed(1)} s`;

for (const family of everyFamily()) {
  const trial = new Trial(new ShootdownMachine(family.machine));
  family.each(trial.run);
  cases += trial.cases;
  failures += trial.failures;
  process.stdout.write(
    `${family.name}: ${text.format(trial.cases)} cases, ${text.format(trial.failures)} failures (${seconds()})\n`,
  );
  for (const line of trial.told) process.stdout.write(`  ${line}\n`);
  if (trial.cases === family.cases) continue;
  failures++;
  process.stdout.write(`  there have to be ${text.format(family.cases)}\n`);
}
process.stdout.write(`${text.format(cases)} cases, ${text.format(failures)} failures, ${seconds()}\n`);
process.exitCode = failures === 0 ? 0 : 1;
