import { execFileSync } from "node:child_process";
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { afterAll, expect, it } from "vitest";
import { withPeers } from "../peers.ts";
import { packText, soundRule } from "../rules/pack-texts.ts";
import { fixture, stopcode, temporaryFolder } from "../stopcode.ts";

const folder = temporaryFolder();
afterAll(() => folder.remove());
const home = folder.in("home");
const [packs, key] = [folder.in("packs"), folder.in("key")];

withPeers({ program: "ssh-keygen" }).describe("--signed-by", () => {
  it("is heeded by every command that loads packs, with the name of the file that was changed: 3", () => {
    execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "me", "-f", key]);
    mkdirSync(packs);
    const cases = [{ name: "fires", rule: "one-rule", facts: {}, expect: "fire" }];
    writeFileSync(folder.in("packs/a.yaml"), packText({ ...soundRule, title: "at last" }));
    writeFileSync(folder.in("packs/a.test.yaml"), JSON.stringify({ cases }));
    const signed = stopcode(["rules", "sign", packs, "--key", key], home);
    const [publicKey] = readFileSync(`${key}.pub`, "utf8").split(" me");
    expect(signed).toEqual({
      status: 0,
      stdout: `  signed  2 files in ${packs}\n          ${publicKey}\n`,
      stderr: "",
    });

    const commands = [
      ["rules", "list", packs],
      ["rules", "lint", packs],
      ["rules", "test", packs],
      ["host", "run", fixture("scenarios/null-dereference-dispatch.yaml"), "--rules", packs],
      ["diagnose", "2026", "--rules", packs],
      ["diagnose", "2026", "--rules", packs, "--explain", "one-rule"],
      ["rules", "explain", "one-rule", "--rules", packs],
      ["rules", "explain", "one-rule", "--rules", packs, "--crash", "2026"],
      ["rules", "record", "2026", "--rules", packs, "--rule", "one-rule"],
    ].map((words) => [...words, "--signed-by", `${key}.pub`]);
    for (const words of commands) {
      const { status, stdout } = stopcode(words, home);
      // The scenario expects another culprit than this pack names.
      expect([words, status]).toEqual([words, words[0] === "host" ? 1 : 0]);
      expect(stdout).not.toBe("");
    }
    appendFileSync(folder.in("packs/a.test.yaml"), "\n");
    for (const words of commands) {
      const { status, stdout, stderr } = stopcode(words, home);
      expect([words, status, stdout]).toEqual([words, 3, ""]);
      expect(stderr).toMatch(/^stopcode: .*packs · not as it was signed: a\.test\.yaml was changed · .*\n$/);
    }
  });
});
