import { describe, expect, it } from "vitest";
import { poolTag } from "../../src/guest/memory/pool.ts";
import { crashed, stopUnder } from "./lab.ts";

const CHURN = `
  - { name: spooler.sys, behaviour: pool-churn, options: { rate: 100 per second } }`;
const twice = (late: string) => `drivers:
  - { name: lanmodem.sys, behaviour: double-free, options: { at: 1 s, late: ${late} } }${CHURN}`;
const WRONG_TAG = `drivers:
  - { name: lanmodem.sys, behaviour: wrong-tag-free, options: { at: 1 s, tag: Ctxt, freedAs: Buff } }${CHURN}`;

describe("a block that is freed twice", () => {
  it("is 0xC2 with 7, where nobody has had it in between", async () => {
    const { event, view } = await crashed(twice("1 ms"));
    const [kind, unused, header, block] = event.parameters;
    expect([event.stopCode, kind, unused]).toEqual([0xc2, 7n, 0n]);
    expect(view.word(block)).toBe(header);
  });

  it("is 0xC1 with 0x20 in special pool, however late the second free comes", async () => {
    const { event } = await stopUnder([{ check: "special-pool", target: null }], twice("200 ms"));
    expect([event.stopCode, event.parameters[3]]).toEqual([0xc1, 0x20n]);
  });
});

describe("a block that is freed with another tag than it has", () => {
  it.each([
    ["the ordinary pool", []],
    ["special pool", [{ check: "special-pool", target: null }]],
  ])("is 0xC2 with 0xA, in %s", async (_, arm) => {
    const { event } = await stopUnder(arm, WRONG_TAG);
    const [kind, , has, said] = event.parameters;
    expect([event.stopCode, kind]).toEqual([0xc2, 0xan]);
    expect([has, said]).toEqual([poolTag("Ctxt"), poolTag("Buff")].map(BigInt));
  });
});
