import { expect, it } from "vitest";
import { EmulatedHost, loadScenario } from "../../src/host/index.ts";
import { untilItStops } from "../guest/lab.ts";
import { fixture } from "../stopcode.ts";

it("a disk that fails is what went wrong: when it did, or at the start where that was before, and it changes no memory", async () => {
  const host = new EmulatedHost(loadScenario(fixture("scenarios/boot-device-gone.yaml")));
  expect(await untilItStops(host)).toMatchObject({ kind: "crashed" });
  expect(host.harm("index")).toEqual({ begunAtSeconds: 25, bytesOfOthers: 0 });
  await host.restart("index", { arm: [] });
  expect(await untilItStops(host)).toMatchObject({ kind: "crashed" });
  expect(host.harm("index")).toEqual({ begunAtSeconds: 0, bytesOfOthers: 0 });
});

it("is nothing to a partition whose page file does not lie there", async () => {
  const scenario = loadScenario(fixture("scenarios/boot-device-gone.yaml"));
  const [own] = scenario.partitions;
  const other = { ...own!, name: "other", memory: 2 ** 24, pageFile: undefined, drivers: [] };
  const host = new EmulatedHost({ ...scenario, partitions: [own!, other] });
  await untilItStops(host);
  expect([host.harm("index"), host.harm("other")]).toEqual([expect.anything(), null]);
});
