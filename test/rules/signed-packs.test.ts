import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, beforeEach, expect, it } from "vitest";
import { lintPacks, listPacks, loadPacks, signFolder, testPacks } from "../../src/rules/index.ts";
import { signedTexts } from "../../src/rules/signed-folder.ts";
import { withPeers } from "../peers.ts";
import { temporaryFolder } from "../seal/folder.ts";
import { packText, soundRule } from "./pack-texts.ts";

const folder = temporaryFolder();
const at = (name: string) => join(folder, name);
const packs = at("packs");
const facts = { crash: { title: "boom" } };
const cases = [{ name: "fires", rule: "one-rule", facts: "facts/boom.json", expect: "fire" }];

const write = (name: string, text: string) => writeFileSync(join(packs, name), text);

/** Signs the list that is there with ssh-keygen itself. */
const signList = (key: string, ...options: string[]) => {
  rmSync(join(packs, "SHA256SUMS.sig"));
  execFileSync("ssh-keygen", ["-q", "-Y", "sign", "-f", key, ...options, "SHA256SUMS"], { cwd: packs });
};

const code = (wanted: string) => expect.objectContaining({ code: wanted });

withPeers({ program: "ssh-keygen" }, { program: "sha256sum" }).describe("packs with a signature", () => {
  const keygen = (...args: string[]) => execFileSync("ssh-keygen", ["-q", "-N", "", ...args]);
  const publicKey = at("key.pub");
  beforeAll(() => {
    keygen("-t", "ed25519", "-C", "release", "-f", at("key"));
    keygen("-t", "ed25519", "-f", at("other"));
    keygen("-t", "rsa", "-b", "2048", "-f", at("rsa"));
  });

  beforeEach(() => {
    rmSync(packs, { recursive: true, force: true });
    mkdirSync(join(packs, "facts"), { recursive: true });
    mkdirSync(join(packs, ".git"));
    writeFileSync(join(packs, "a.yaml"), packText(soundRule));
    writeFileSync(join(packs, "a.test.yaml"), JSON.stringify({ cases }));
    writeFileSync(join(packs, "facts/boom.json"), JSON.stringify(facts));
    writeFileSync(join(packs, ".git/HEAD"), "changes without anybody's doing");
  });

  it("are signed as ssh-keygen and sha256sum check it, every file of the folder", () => {
    const { files, publicKey: key } = signFolder(packs, at("key"));
    expect(files).toEqual(["a.test.yaml", "a.yaml", "facts/boom.json"]);
    expect(`${key} release\n`).toBe(readFileSync(publicKey, "utf8"));
    writeFileSync(at("allowed"), `release@acme ${key}\n`);
    const list = readFileSync(join(packs, "SHA256SUMS"));
    const verify = (input: Buffer) =>
      spawnSync(
        "ssh-keygen",
        [
          "-Y",
          "verify",
          "-f",
          at("allowed"),
          "-I",
          "release@acme",
          "-n",
          "stopcode-rules",
          "-s",
          join(packs, "SHA256SUMS.sig"),
        ],
        { input },
      ).status;
    expect(verify(list)).toBe(0);
    expect(verify(Buffer.concat([list, Buffer.from("\n")]))).not.toBe(0);
    expect(execFileSync("sha256sum", ["-c", "--strict", "SHA256SUMS"], { cwd: packs, encoding: "utf8" })).toBe(
      "a.test.yaml: OK\na.yaml: OK\nfacts/boom.json: OK\n",
    );
  });

  it("are loaded, listed, checked and tested when one of the keys has signed them, by folder and by file", () => {
    signFolder(packs, at("key"));
    writeFileSync(
      at("keys"),
      `# ours\n${readFileSync(at("other.pub"), "utf8")}release@acme ${readFileSync(publicKey, "utf8")}`,
    );
    for (const keys of [publicKey, at("keys")]) {
      expect(loadPacks([packs], keys)).toHaveLength(1);
      expect(loadPacks([join(packs, "a.yaml")], keys)).toHaveLength(1);
      expect(listPacks([packs], keys)).toHaveLength(1);
      expect(lintPacks([packs], keys).problems).toEqual([]);
      expect(testPacks([packs], { signedBy: keys })).toMatchObject({
        passed: true,
        packs: [{ cases: [{ passed: true }] }],
      });
    }
  });

  it("may be signed by what another implementation makes of the list", () => {
    signFolder(packs, at("other"));
    signList(at("key"), "-n", "stopcode-rules", "-O", "hashalg=sha256");
    expect(loadPacks([packs], publicKey)).toHaveLength(1);
  });

  const changes: Readonly<Record<string, () => void>> = {
    "a.yaml was changed": () => write("a.yaml", packText(soundRule).replace("1.0.0", "1.0.1")),
    "a.test.yaml was changed": () => write("a.test.yaml", JSON.stringify({ cases: [{ ...cases[0], expect: "skip" }] })),
    "facts/boom.json was changed": () => write("facts/boom.json", "{}"),
    "b.yaml was added": () => write("b.yaml", packText({ ...soundRule, id: "b" })),
    "facts/.hidden was added": () => write("facts/.hidden", ""),
    "a.test.yaml is gone": () => rmSync(join(packs, "a.test.yaml")),
    "a.yaml is gone, c.yaml was added": () => renameSync(join(packs, "a.yaml"), join(packs, "c.yaml")),
    "only plain files": () => {
      renameSync(join(packs, "a.yaml"), at("a.yaml"));
      symlinkSync(at("a.yaml"), join(packs, "a.yaml"));
    },
  };

  it.each(Object.entries(changes))("are refused with the name of what is otherwise: %s", (message, change) => {
    signFolder(packs, at("key"));
    change();
    for (const source of [packs, join(packs, "facts/../a.yaml")])
      expect(() => loadPacks([source], publicKey)).toThrow(message);
    expect(() => lintPacks([packs], publicKey)).toThrow(message);
    expect(() => testPacks([packs], { signedBy: publicKey })).toThrow(message);
  });

  const forgeries: Readonly<Record<string, () => void>> = {
    "signed with another key": () => signFolder(packs, at("other")),
    "the packs here are not signed": () => rmSync(join(packs, "SHA256SUMS.sig")),
    "not signed": () => rmSync(join(packs, "SHA256SUMS")),
    "not of this SHA256SUMS": () => {
      write("facts/boom.json", "{}");
      const digest = execFileSync("sha256sum", ["facts/boom.json"], { cwd: packs, encoding: "utf8" });
      write("SHA256SUMS", readFileSync(join(packs, "SHA256SUMS"), "utf8").replace(/^.*boom\.json\n/m, digest));
    },
    "for `file`, not for packs": () => signList(at("key"), "-n", "file"),
    "no SSH signature": () => write("SHA256SUMS.sig", "yes, signed"),
  };

  it.each(Object.entries(forgeries))("are refused: %s", (message, forge) => {
    signFolder(packs, at("key"));
    forge();
    expect(() => loadPacks([packs], publicKey)).toThrow(message);
  });

  it("may not lean on facts from outside of what was signed", () => {
    writeFileSync(at("outside.json"), "{}");
    writeFileSync(join(packs, "a.test.yaml"), JSON.stringify({ cases: [{ ...cases[0], facts: "../outside.json" }] }));
    signFolder(packs, at("key"));
    expect(testPacks([packs])).toMatchObject({ passed: true });
    expect(testPacks([packs], { signedBy: publicKey }).problems).toMatchObject([
      { code: "rules/signed-content", message: expect.stringContaining("not among those that were signed") },
    ]);
  });

  it("are held against the texts that are read afterwards, not against what lay there before", () => {
    signFolder(packs, at("key"));
    const check = signedTexts([join(packs, "a.yaml")], publicKey);
    check(join(packs, "a.yaml"), packText(soundRule));
    expect(() => check(join(packs, "a.yaml"), packText(soundRule).replace("1.0.0", "1.0.1"))).toThrow(
      code("rules/signed-content"),
    );
  });

  it("hold up all others that are named with them; those that ship need none", () => {
    signFolder(packs, at("key"));
    cpSync(join(packs, "a.yaml"), at("plain/z.yaml"));
    expect(() => loadPacks([packs, at("plain/z.yaml")], publicKey)).toThrow(code("rules/unsigned"));
    expect(loadPacks(["npm:stopcode", packs], publicKey).map(({ id }) => id)).toContain("some-pack");
  });

  it("cannot be made or checked with keys of another kind", () => {
    expect(() => signFolder(packs, at("rsa"))).toThrow(/rsa-sha2-512.*only ssh-ed25519/);
    expect(() => signFolder(packs, at("nowhere"))).toThrow(/ssh-keygen does not sign.*No such file/);
    expect(() => signFolder(at("no-folder"), at("key"))).toThrow(code("io/open"));
    signFolder(packs, at("key"));
    expect(() => loadPacks([packs], at("rsa.pub"))).toThrow(code("rules/public-key"));
    expect(() => loadPacks([packs], at("key"))).toThrow(code("rules/public-key"));
  });
});
