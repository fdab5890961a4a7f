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
async function run(name: string, engine: Engine) {
  const scenario = loadScenario(new URL(`../../fixtures/scenarios/${name}.yaml`, import.meta.url).pathname);
  const host = new EmulatedHost({
    ...scenario,
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
  return { left, accesses: counters.guestAccesses, counters };
}

describe("what a guest leaves behind does not depend on the engine it ran on", () => {
  it.each(["pte-leak", "null-dereference-passive", "null-dereference-dispatch", "two-owners"])(
    "%s: the same memory, byte for byte, at every stop",
    async (name) => {
      const [walk, tlb, shadow] = [await run(name, "walk"), await run(name, "tlb"), await run(name, "shadow")];
      expect(walk.left.length).toBeGreaterThan(0);
      for (const other of [tlb, shadow]) {
        expect(other.left).toEqual(walk.left);
        expect(other.accesses).toBe(walk.accesses);
      }
      // Each did it in its own way.
      expect(walk.counters.smallPageTlbFills).toBeUndefined();
      expect(tlb.counters.smallPageTlbFills).toBeGreaterThan(0);
      expect(shadow.counters.virtualTlbPages).toBeGreaterThan(0);
    },
  );
});
