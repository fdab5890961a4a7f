import { expect, it } from "vitest";
import { z } from "zod";
import { facts } from "../../src/analysis/index.ts";

it("the JSON schema in the repository is the one that the facts' zod schema makes (`vitest -u` writes it anew)", async () => {
  const schema = `${JSON.stringify(z.toJSONSchema(facts), null, 2)}\n`;
  await expect(schema).toMatchFileSnapshot("../../src/analysis/facts.schema.json");
});

it("an unknown key is refused: what a program reads must be in the schema", () => {
  const document = { schema: "stopcode/facts/1", crash: { alternativeTitles: [], stack: [] } };
  expect(facts.safeParse(document).success).toBe(true);
  expect(facts.safeParse({ ...document, colour: "blue" }).success).toBe(false);
});

it("64-bit values are hexadecimal texts, never numbers", () => {
  const stack = [{ address: 0x1000, via: "scan" }];
  expect(facts.safeParse({ schema: "stopcode/facts/1", crash: { alternativeTitles: [], stack } }).success).toBe(false);
});
