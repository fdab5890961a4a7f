import { readdirSync, readFileSync } from "node:fs";
import { identityToRecipient } from "age-encryption";
import { describe, expect, it } from "vitest";
import { loadScenario } from "../../src/host/index.ts";

const fixtures = new URL("../../fixtures/", import.meta.url).pathname;
const keys = readdirSync(`${fixtures}keys`).filter((name) => name.endsWith(".txt"));
const read = (name: string) => readFileSync(`${fixtures}keys/${name}`, "utf8");
const recipientOf = (name: string) => identityToRecipient(/^AGE-SECRET-KEY-.*$/m.exec(read(name))![0]);

describe("demonstration keys", () => {
  it.each(keys)("%s says that everyone has it, and its recipient lies beside it", async (name) => {
    expect(read(name)).toMatch(/^# A public demonstration key/);
    expect(read(name.replace(".txt", ".pub")).trim()).toBe(await recipientOf(name));
    expect(read(name)).toContain(`# public key: ${await recipientOf(name)}`);
  });

  it("are the owners in the scenarios", async () => {
    const recipients = await Promise.all(keys.map(recipientOf));
    const owners = readdirSync(`${fixtures}scenarios`)
      .filter((name) => name.endsWith(".yaml"))
      .flatMap((name) => loadScenario(`${fixtures}scenarios/${name}`).partitions.flatMap((one) => one.owners));
    expect([...new Set(owners)].sort()).toEqual(recipients.sort());
  });
});
