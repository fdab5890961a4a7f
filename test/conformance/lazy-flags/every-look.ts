import { compareLazyFlags } from "../../hypervisor/lazy-flags-property.ts";
import { streamsOf, writesOf } from "./streams.ts";

/**
 * `npm run conformance:lazy-flags`: 10^7 random operations on which lazy flags and an eager walker's have to look the same, and how
 * often each wrote to the guest's tables. With a folder of address traces as its argument, the same count for those. Exits
 * with 1 where they differ, or where an eager walker wrote less than eight times as often.
 */

const OPERATIONS = 10_000_000;
const SHOWN = 500_000;
/** References between two loads of CR3. */
const SLICE = 20_000;
const text = new Intl.NumberFormat("en");
const start = performance.now();

function report(name: string, writes: Readonly<Record<string, number>>, judged: readonly string[]): boolean {
  const lazy = writes.lazy!;
  const parts = Object.entries(writes)
    .filter(([walker]) => walker !== "lazy")
    .map(([walker, count]) => `${walker} ${text.format(count)} (1/${(count / lazy).toFixed(1)})`);
  process.stdout.write(`${name}: lazy ${text.format(lazy)}; ${parts.join(", ")}\n`);
  return judged.every((walker) => writes[walker]! >= 8 * lazy);
}

const writes = compareLazyFlags(OPERATIONS, (done) => {
  if (done % SHOWN !== 0) return;
  const seconds = (performance.now() - start) / 1000;
  process.stderr.write(`${text.format(done)} of ${text.format(OPERATIONS)} operations, ${seconds.toFixed(0)} s\n`);
});
let passed = report(`${text.format(OPERATIONS)} operations, no difference`, { ...writes }, [
  "everyAccess",
  "everyFill",
]);

const [folder] = process.argv.slice(2);
if (folder !== undefined)
  for (const stream of streamsOf(folder)) {
    report(`${stream.name}, uninterrupted`, { ...writesOf(stream, 0) }, []);
    const name = `${stream.name}, in slices of ${text.format(SLICE)}`;
    passed = report(name, { ...writesOf(stream, SLICE) }, ["everyAccess"]) && passed;
  }
process.exitCode = passed ? 0 : 1;
