import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { generateX25519Identity, identityToRecipient } from "age-encryption";
import { describe, expect, it } from "vitest";
import { StopcodeError } from "../../src/binary/index.ts";
import { parseRecipients, readIdentityFile, recipientsOf } from "../../src/seal/index.ts";
import { withPeers } from "../peers.ts";
import { temporaryFolder } from "./folder.ts";

const folder = temporaryFolder();
const written = (name: string, text: string) => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};

async function refusal(work: Promise<unknown>): Promise<StopcodeError> {
  const error = await work.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(StopcodeError);
  return error as StopcodeError;
}

describe("identity files", () => {
  withPeers({ program: "age-keygen" }).it("are read as age-keygen writes them, and give its recipient", async () => {
    const path = join(folder, "key.txt");
    spawnSync("age-keygen", ["-o", path]);
    const identities = await readIdentityFile(path);
    const recipient = spawnSync("age-keygen", ["-y", path]).stdout.toString().trim();
    expect(await recipientsOf(identities)).toEqual([recipient]);
  });

  it("may hold several, with comments, empty lines and CRLF", async () => {
    const keys = [await generateX25519Identity(), await generateX25519Identity()];
    const path = written("several", `# mine\r\n\r\n${keys[0]}\r\n  ${keys[1]}  \n#end`);
    expect(await readIdentityFile(path)).toEqual(keys);
  });

  it("are refused with the line that is wrong, and no key in the message", async () => {
    const key = await generateX25519Identity();
    const broken = key.replace(/.$/, (letter) => (letter === "Q" ? "P" : "Q"));
    const error = await refusal(readIdentityFile(written("broken", `# one\n${key}\n${broken}\n`)));
    expect(error).toMatchObject({ code: "seal/identity", exitCode: 3, where: { line: 3 } });
    expect(`${error.message} ${error.hint} ${error.stack} ${error.cause}`).not.toContain(key.slice(16, 40));
  });

  it.each([
    ["age1qqqq", /public recipient/],
    ["age-encryption.org/v1", /sealed/],
    ["-----BEGIN OPENSSH PRIVATE KEY-----", /age-keygen/],
  ])("say what to do about %s", async (line, hint) => {
    expect((await refusal(readIdentityFile(written("odd", `${line}\n`)))).hint).toMatch(hint);
  });

  it("are refused when empty, missing or huge", async () => {
    expect(await refusal(readIdentityFile(written("empty", "# none\n")))).toMatchObject({ code: "seal/identity" });
    expect(await refusal(readIdentityFile(join(folder, "missing")))).toMatchObject({ code: "io/open", exitCode: 4 });
    expect((await refusal(readIdentityFile(written("huge", "#".repeat(2 ** 21))))).message).toMatch(/too many/);
  });
});

describe("recipient lists", () => {
  it("are read with comments, and refused with the line that is wrong", async () => {
    const recipient = await identityToRecipient(await generateX25519Identity());
    expect(await parseRecipients(`# owners\n${recipient}\r\n\n`)).toEqual([recipient]);
    expect(await refusal(parseRecipients(`${recipient}\nssh-ed25519 AAAA`, "owners.txt"))).toMatchObject({
      code: "seal/recipient",
      where: { file: "owners.txt", line: 2 },
      hint: expect.stringMatching(/SSH/),
    });
    const swapped = recipient.replace(/.$/, (letter) => (letter === "q" ? "p" : "q"));
    expect((await refusal(parseRecipients(swapped))).where.line).toBe(1);
  });
});
