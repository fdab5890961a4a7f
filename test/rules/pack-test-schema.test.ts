import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { packTestJsonSchema, shippedPacks } from "../../src/rules/index.ts";

it("tests of packs are valid by the published JSON Schema, which is the one in the code and knows the facts", () => {
  const published = JSON.parse(readFileSync(join(shippedPacks, "pack-test.schema.json"), "utf8")) as object;
  expect(published).toEqual(JSON.parse(JSON.stringify(packTestJsonSchema())));
  const schema = z.fromJSONSchema(published as Parameters<typeof z.fromJSONSchema>[0]);
  for (const name of readdirSync(shippedPacks).filter((file) => file.endsWith(".test.yaml"))) {
    const tests = parse(readFileSync(join(shippedPacks, name), "utf8")) as { cases: object[] };
    expect(schema.safeParse(tests).error).toBeUndefined();
    const misspelt = (change: object) => schema.safeParse({ cases: [{ ...tests.cases[0], ...change }] }).success;
    expect([misspelt({}), misspelt({ expcet: "fire" }), misspelt({ facts: { crsh: {} } })]).toEqual([
      true,
      false,
      false,
    ]);
  }
});
