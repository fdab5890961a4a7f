import { readdirSync, readFileSync } from "node:fs";
import { afterAll, describe, expect, it } from "vitest";
import { sharedData, withPeers } from "../peers.ts";
import { fixture, stopcode, temporaryFolder } from "../stopcode.ts";

const folder = temporaryFolder();
afterAll(() => folder.remove());

const home = folder.in("home");
const root = new URL("../..", import.meta.url).pathname;

describe("the screen of the main job", () => {
  it("shows both boots, what was sealed and skipped, the culprit with its count, and the history's rows", () => {
    const { status, stdout } = stopcode(["host", "run", fixture("scenarios/pte-leak.yaml")], home);
    expect(status).toBe(0);
    for (const line of [
      /boot 1 .*web stopped at \d+\.\d s +0x3F NO_MORE_SYSTEM_PTES/,
      /dump +[\d,]+ pages · [\d,]+ sealed for 1 owner · cache skipped \(stateless\)/,
      /verdict +suspect: system PTEs ran out/,
      /asks for +pte-tracking, for web's next start/,
      /boot 2 +web starts\n +armed +pte-tracking since boot 2 because of 0x3F/,
      /boot 2 .*web stopped at \d+\.\d s +0xD8 DRIVER_USED_EXCESSIVE_PTES/,
      /verdict +identified: leakdrv\.sys holds [\d,]+ of 16,384 PTEs/,
      /reserved at leakdrv\.sys\+0x[0-9a-f]+ \(MapBuffer\), [\d,]+ times, never released/,
      /\d{8}T\d{6}Z-web-\w+ .*0x3f +NO_MORE_SYSTEM_PTES/,
      /\d{8}T\d{6}Z-web-\w+ .*0xd8 +DRIVER_USED_EXCESSIVE_PTES +leakdrv\.sys +identified/,
    ])
      expect(stdout).toMatch(line);
    expect(stdout).not.toContain("\u001b");
  });

  it("of one crash shows facts, findings and files", () => {
    const { stdout } = stopcode(["history", "show", "2026"], home);
    expect(stdout).toBe("");
    const [row] = JSON.parse(stopcode(["history", "list", "--json"], home).stdout) as { id: string }[];
    const shown = stopcode(["history", "show", row?.id ?? ""], home).stdout;
    for (const text of [
      "0xD8 DRIVER_USED_EXCESSIVE_PTES",
      "leakdrv.sys",
      "MapBuffer",
      "memory.dmp",
      "private.age",
      "sealed",
    ])
      expect(shown).toContain(text);
  });
});

withPeers({ data: "windows/rizin" }).it(
  "the screen of a real dump has the answer in its first line, and no line too wide",
  () => {
    const { stdout } = stopcode(["analyze", sharedData("windows/rizin/triage_x64.dmp")], home);
    const lines = stdout.split("\n").filter((line) => line !== "");
    expect(lines[0]).toMatch(/0x1000007E SYSTEM_THREAD_EXCEPTION_NOT_HANDLED_M +amdppm\.sys \+ 0x334c/);
    expect(stdout).toContain("151 modules · 4 unloaded");
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(140);
  },
);

describe("help", () => {
  const commands = readdirSync(`${root}/commands`, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => name.replace(/\.ts$/, "").split("/"));

  it.each(commands.map((words) => [words.join(" "), words] as const))(
    "of %s says what it does, and shows an example",
    (name, words) => {
      const { status, stdout } = stopcode([...words, "--help"], home);
      expect(status).toBe(0);
      for (const section of ["USAGE", "EXAMPLES", "--json"]) expect(stdout).toContain(section);
      expect(stdout).toContain(`$ stopcode ${name}`);
    },
  );

  it("every command that the README names exists", () => {
    const named = [...readFileSync(`${root}/README.md`, "utf8").matchAll(/^stopcode ([a-z]+(?: [a-z]+)?)/gm)].map(
      (match) => match[1] ?? "",
    );
    expect(named.length).toBeGreaterThan(10);
    const known = commands.map((words) => words.join(" "));
    for (const name of named)
      expect(
        known.some((command) => name === command || name.split(" ")[0] === command),
        name,
      ).toBe(true);
  });
});
