import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { EmulatedHost, loadScenario } from "../../src/host/index.ts";

const ENGINES = ["walk", "tlb", "shadow"] as const;
type Engine = (typeof ENGINES)[number];

function digest(host: EmulatedHost, partition: string): string {
  const memory = host.memory(partition);
  const hash = createHash("sha256");
  for (const { firstPage, pageCount } of memory.runs()) hash.update(memory.read(firstPage * 4096, pageCount * 4096));
  const note = host.crashNote(partition);
  if (note.kind === "windows") hash.update(note.header);
  return hash.digest("hex");
}

/** What a run on an engine leaves: at each stop and at the end, every partition's memory, console and crash note. */
async function run(name: string, engine: Engine, options: { readonly duration?: number } = {}) {
  const scenario = loadScenario(new URL(`../../fixtures/scenarios/${name}.yaml`, import.meta.url).pathname);
  const host = new EmulatedHost({
    ...scenario,
    ...options,
    partitions: scenario.partitions.map((partition) => ({ ...partition, engine })),
  });
  const left: unknown[] = [];
  for (let stops = 0; stops < scenario.boots; ) {
    const event = await host.nextEvent();
    if (event.kind === "started") continue;
    left.push({
      event,
      partitions: host.partitions().map((one) => [one.name, digest(host, one.name), host.console(one.name)]),
    });
    if (event.kind === "finished" || event.kind === "host-crashed") break;
    stops++;
    if (stops < scenario.boots) await host.restart(event.partition, { arm: [{ check: "pte-tracking", target: null }] });
  }
  const counters = host.counters();
  await host.close();
  return { left, counters };
}

/** Each scenario, and how long a start of it is to go on where the whole takes too long. */
const SCENARIOS: readonly (readonly [name: string, options: { readonly duration?: number }])[] = [
  ["pte-leak", {}],
  ["null-dereference-passive", {}],
  ["null-dereference-dispatch", {}],
  ["two-owners", {}],
  ["address-spaces", { duration: 4 }],
];

describe.each(SCENARIOS)("what %s leaves behind does not depend on the engine it ran on", (name, options) => {
  let walked: ReturnType<typeof run> | undefined;

  it.each(["tlb", "shadow"] as const)(
    "%s: every byte of memory at every stop, and every access, as by the walk",
    async (engine) => {
      walked ??= run(name, "walk", options);
      const walk = await walked;
      const other = await run(name, engine, options);
      expect(walk.left.length).toBeGreaterThan(0);
      expect(other.left).toEqual(walk.left);
      expect(other.counters.guestAccesses).toBe(walk.counters.guestAccesses);
      // Each did it in its own way.
      expect(walk.counters.smallPageTlbFills).toBeUndefined();
      expect(other.counters.smallPageTlbFills).toBeGreaterThan(0);
      expect(other.counters.virtualTlbPages !== undefined).toBe(engine === "shadow");
    },
    180_000,
  );
});
