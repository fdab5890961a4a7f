import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import { listPacks, loadPacks, shippedPacks, testPacks } from "../../src/rules/index.ts";
import { withPeers } from "../peers.ts";
import { temporaryFolder } from "../seal/folder.ts";
import { packText, soundRule } from "./pack-texts.ts";

const folder = temporaryFolder();

const write = (name: string, text: string): string => {
  const file = join(folder, name);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  return file;
};

afterEach(() => void vi.restoreAllMocks());
const workIn = (name: string) => vi.spyOn(process, "cwd").mockReturnValue(join(folder, name));

describe("packs of a folder", () => {
  const test = JSON.stringify({ cases: [{ name: "fires", rule: "one-rule", facts: {}, expect: "fire" }] });

  it("are those that end in .yaml or .yml, each with the tests beside it", () => {
    write("both/a.yml", packText(soundRule));
    write("both/a.test.yml", test);
    write("both/b.yaml", packText({ ...soundRule, id: "two" }).replace("some-pack", "other-pack"));
    write("both/b.test.yaml", test.replace("one-rule", "two"));
    write("both/c.txt", "no pack");
    expect(testPacks([join(folder, "both")])).toMatchObject({
      passed: true,
      packs: [{ cases: { length: 1 } }, { cases: { length: 1 } }],
    });
  });

  it("without any is refused: nobody would notice that nothing was asked", () => {
    write("none/deeper/a.yaml", packText(soundRule));
    write("none/a.test.yaml", test);
    expect(() => loadPacks([join(folder, "none")])).toThrow(expect.objectContaining({ code: "rules/no-packs" }));
  });
});

describe("packs of a package", () => {
  write("app/node_modules/acme-rules/package.json", "{}");
  write("app/node_modules/acme-rules/rules/acme.yaml", packText(soundRule));
  write(
    "app/node_modules/acme-rules/rules/acme.test.yaml",
    JSON.stringify({ cases: [{ name: "fires", rule: "one-rule", facts: {}, expect: "fire" }] }),
  );
  write("app/node_modules/@acme/more/package.json", '{"stopcode": {"rules": "packs/all"}}');
  write("app/node_modules/@acme/more/packs/all/more.yaml", packText({ ...soundRule, id: "more" }));
  write("app/deep/down/file", "");

  it("are those in its folder `rules`, with the tests beside them", () => {
    workIn("app");
    expect(loadPacks(["npm:acme-rules"])[0]!.file).toBe(join(folder, "app/node_modules/acme-rules/rules/acme.yaml"));
    expect(testPacks(["npm:acme-rules"])).toMatchObject({ passed: true, packs: [{ cases: [{ name: "fires" }] }] });
  });

  it("are found from further down, where the package says they are", () => {
    workIn("app/deep/down");
    expect(loadPacks(["npm:@acme/more"])[0]!.rules[0]!.id).toBe("more");
  });

  it("are the nearest: a package further up is hidden by one of its name", () => {
    write("app/near/node_modules/acme-rules/package.json", "{}");
    write("app/near/node_modules/acme-rules/rules/near.yaml", packText({ ...soundRule, id: "near" }));
    workIn("app/near");
    expect(loadPacks(["npm:acme-rules"])[0]!.rules[0]!.id).toBe("near");
  });

  it("are those that ship for npm:stopcode, wherever one works", () => {
    expect(loadPacks(["npm:stopcode"])).toMatchObject(loadPacks([shippedPacks]).map(({ id }) => ({ id })));
  });

  it.each([
    ["npm:", "usage/pack-source", "names no package"],
    ["npm:../other", "usage/pack-source", "names no package"],
    ["npm:@acme", "usage/pack-source", "names no package"],
    ["npm:absent", "rules/package", "there is no package absent in node_modules here or above"],
    ["npm:outside", "rules/package", "../secret lies outside the package outside"],
    ["npm:sibling", "rules/package", "../sibling-2 lies outside the package sibling"],
    ["npm:empty", "rules/package", "the package empty has no packs in rules"],
    ["npm:broken", "rules/package", "the package broken does not say where its packs are"],
    ["npm:odd", "rules/package", "the package odd does not say where its packs are"],
  ])("are not looked for in vain without a word: %s", (source, code, message) => {
    write("app/node_modules/outside/package.json", '{"stopcode": {"rules": "../secret"}}');
    write("app/node_modules/secret/a.yaml", packText(soundRule));
    write("app/node_modules/sibling/package.json", '{"stopcode": {"rules": "../sibling-2"}}');
    write("app/node_modules/sibling-2/a.yaml", packText(soundRule));
    write("app/node_modules/empty/package.json", "{}");
    write("app/node_modules/broken/package.json", "{");
    write("app/node_modules/odd/package.json", '{"stopcode": {"rules": 1}}');
    workIn("app");
    expect(() => loadPacks([source])).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(message) }),
    );
  });
});

withPeers({ program: "git" }).describe("packs of a git checkout", () => {
  const git = (...args: string[]) =>
    execFileSync("git", ["-C", join(folder, "checkout"), "-c", "user.name=x", "-c", "user.email=x@y", ...args], {
      encoding: "utf8",
    }).trim();

  it.each(["sha1", "sha256"])("are listed with their commit, and whether they are as it has them: %s", (format) => {
    const file = write("checkout/packs/a.yaml", packText(soundRule));
    git("init", "-q", `--object-format=${format}`);
    const commit = () => listPacks([join(folder, "checkout/packs")])[0]!.commit;
    expect(commit()).toBeNull();
    git("add", ".");
    git("commit", "-qm", "one");
    const id = git("rev-parse", "HEAD");
    expect(commit()).toEqual({ id, unchanged: true });
    writeFileSync(file, `${packText(soundRule)}\n`);
    expect(commit()).toEqual({ id, unchanged: false });
    git("rm", "-q", "--cached", "packs/a.yaml");
    git("commit", "-qm", "two", "--allow-empty");
    expect(commit()).toEqual({ id: git("rev-parse", "HEAD"), unchanged: false });
    execFileSync("rm", ["-r", join(folder, "checkout/.git")]);
  });

  it("run nothing that the checkout names", () => {
    const trap = write("checkout/trap.sh", `#!/bin/sh\ntouch ${join(folder, "sprung")}\n`);
    execFileSync("chmod", ["+x", trap]);
    write("checkout/packs/a.yaml", packText(soundRule));
    write("checkout/.gitattributes", "*.yaml filter=trap diff=trap\n");
    git("init", "-q");
    git("add", ".");
    git("commit", "-qm", "one");
    for (const key of ["core.fsmonitor", "filter.trap.clean", "filter.trap.smudge", "diff.trap.textconv", "core.pager"])
      git("config", key, trap);
    writeFileSync(join(folder, "checkout/packs/a.yaml"), `${packText(soundRule)}\n`);
    expect(listPacks([join(folder, "checkout/packs")])[0]!.commit!.unchanged).toBe(false);
    expect(() => execFileSync("test", ["-e", join(folder, "sprung")])).toThrow();
    git("status"); // the trap works: this one springs it
    execFileSync("test", ["-e", join(folder, "sprung")]);
  });

  it("are listed without a commit where there is no checkout", () => {
    const file = write("plain/a.yaml", packText(soundRule));
    expect(listPacks([file])[0]!.commit).toBeNull();
  });
});
