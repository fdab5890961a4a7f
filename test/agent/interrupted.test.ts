import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { generateX25519Identity, identityToRecipient } from "age-encryption";
import { beforeAll, describe, expect, it } from "vitest";
import { listCrashes, openCrash, verifyCrash } from "../../src/archive/index.ts";
import { withPeers } from "../peers.ts";
import { temporaryFolder } from "../seal/folder.ts";

const folder = temporaryFolder();
const program = new URL("./collecting-process.ts", import.meta.url).pathname;
let recipient = "";
beforeAll(async () => {
  recipient = await identityToRecipient(await generateX25519Identity());
});

/** Whatever happened to the writer: a crash without crash.json is listed as incomplete and does not open; one with it is whole. */
async function expectHonest(home: string): Promise<"complete" | "incomplete" | "nothing"> {
  const { complete, incomplete } = listCrashes(home);
  expect(complete.length + incomplete.length).toBeLessThanOrEqual(1);
  for (const { folder: crash, reason } of incomplete) {
    expect(reason).toMatch(/no crash\.json/);
    expect(() => openCrash(crash)).toThrow(/no crash\.json/);
    expect((await verifyCrash(crash)).problems).toMatchObject([{ code: "incomplete" }]);
  }
  for (const { folder: crash } of complete) expect((await verifyCrash(crash)).problems).toEqual([]);
  return complete.length > 0 ? "complete" : incomplete.length > 0 ? "incomplete" : "nothing";
}

const run = (home: string, ...fate: string[]) =>
  spawnSync(process.execPath, [program, home, recipient, ...fate], { encoding: "utf8" });

describe("failure management 2.7/19: a writer killed half-way leaves a folder that is recognisably incomplete", () => {
  it("at each of its steps", async () => {
    const outcomes: string[] = [];
    // The last step comes after the manifest: that crash is whole.
    const all = Number(/after (\d+) steps/.exec(run(join(folder, "whole"), "kill", "0").stdout)?.[1]);
    expect(all).toBeGreaterThan(10);
    for (const step of [1, Math.floor(all / 2), all - 2, all - 1, all]) {
      const home = join(folder, `step-${step}`);
      expect(run(home, "kill", String(step)).signal).toBe("SIGKILL");
      outcomes.push(await expectHonest(home));
    }
    expect(outcomes).toEqual([...Array(4).fill("incomplete"), "complete"]);
  });

  it("at moments nobody chose", async () => {
    for (let round = 0; round < 5; round++) {
      const home = join(folder, `moment-${round}`);
      const child = spawn(process.execPath, [program, home, recipient, "nothing"]);
      const closed = once(child, "close");
      const [began] = await Promise.race([once(child.stdout, "data"), closed]);
      expect(String(began)).toMatch(/begin/);
      setTimeout(() => child.kill("SIGKILL"), Math.random() * 200);
      await closed;
      await expectHonest(home);
    }
  });
});

describe("what must be on the disk before what, as the system saw it", () => {
  const log = () => join(folder, "strace.log");
  const traced = (home: string, ...more: string[]) => {
    const calls = ["-f", "-y", "-qq", "-o", log(), "-e", "trace=fsync,fdatasync,rename,renameat,renameat2", ...more];
    return spawnSync("strace", [...calls, process.execPath, program, home, recipient, "nothing"], { encoding: "utf8" });
  };

  withPeers({ program: "strace" }).it("syncs every file, the folder, the manifest, its name, and the archive", () => {
    const home = join(folder, "traced");
    expect(traced(home).stdout).toMatch(/finished/);
    const [{ id } = { id: "" }] = listCrashes(home).complete;
    const calls = readFileSync(log(), "utf8")
      .trim()
      .split("\n")
      .map((line) => line.replaceAll(home, "HOME").replaceAll(id, "ID"))
      .map((line) => line.replace(/^\d+ +(\w+)\((?:\d+<(.*)>|"(.*)", "(.*)")\) += 0$/, "$1 $2$3 $4").trim());
    expect(calls).toEqual([
      "fsync HOME/ID/console.log",
      "fsync HOME/ID/memory.dmp",
      "fsync HOME/ID/private.age",
      "fsync HOME/ID/facts.json",
      "fsync HOME/ID",
      "fsync HOME/ID/crash.json.partial",
      "rename HOME/ID/crash.json.partial HOME/ID/crash.json",
      "fsync HOME/ID",
      "fsync HOME",
    ]);
  });

  withPeers({ program: "strace" }).it.each([
    ["the third fsync, of the folder", "fsync:error=EIO:when=3"],
    ["the fourth fsync, of the manifest", "fsync:error=EIO:when=4"],
    ["the renaming of the manifest", "rename:error=EIO:when=1"],
  ])("stays incomplete and says so when the disk fails at %s", async (_, inject) => {
    const home = join(folder, inject.replaceAll(/\W/g, "-"));
    const { stdout } = traced(home, "-e", `inject=${inject}`);
    expect(JSON.parse(stdout.trim().split("\n")[1]!)).toMatchObject({ code: "io/failed", exitCode: 4 });
    expect(await expectHonest(home)).toBe("incomplete");
  });
});

const mayMount = spawnSync("unshare", ["-rm", "mount", "-t", "tmpfs", "none", folder]).status === 0;
const mountIt = (name: string, run: () => void) =>
  mayMount ? it(name, run) : it.skip(`${name} [needs the right to mount]`, run);

describe("a disk that cannot take the crash: a clear error of class 4, and nothing passes as whole", () => {
  const onSmallDisk = (home: string, megabytes: number, fate: string) => {
    mkdirSync(home);
    // What is left of the archive is looked at inside as well: the mount is gone when its processes are.
    const script = `mount -t tmpfs -o size=${megabytes}m none "$1" && "$2" "$3" "$1" "$4" "$5" && rm -f "$1"/filler && ls "$1"/*/ 2>/dev/null`;
    const arguments_ = ["-c", script, "sh", home, process.execPath, program, recipient, fate];
    return spawnSync("unshare", ["-rm", "sh", ...arguments_], { encoding: "utf8" });
  };

  mountIt("foresees it where the dump does not fit, and makes no folder", () => {
    const { stdout } = onSmallDisk(join(folder, "small"), 8, "nothing");
    const [, error, ...left] = stdout.trim().split("\n");
    expect(JSON.parse(error!)).toMatchObject({
      code: "io/disk-full",
      exitCode: 4,
      message: expect.stringMatching(/^\d+ bytes are to be written, \d+ are free$/),
      hint: expect.stringMatching(/free some space/),
    });
    expect(left).toEqual([]);
  });

  mountIt("says where it stopped when somebody else fills the disk", () => {
    const { stdout } = onSmallDisk(join(folder, "filled"), 24, "fill");
    const [, error, ...left] = stdout.trim().split("\n");
    expect(JSON.parse(error!)).toMatchObject({
      code: "io/disk-full",
      exitCode: 4,
      message: expect.stringMatching(/^writing at byte \d+ failed: ENOSPC/),
      where: { file: expect.stringMatching(/memory\.dmp$/) },
    });
    expect(left).toEqual(["console.log", "memory.dmp"]);
  });

  withPeers({ program: "prlimit" }).it("reports a limit on the size of files the same way", async () => {
    const home = join(folder, "limited");
    const arguments_ = ["--fsize=6000000", process.execPath, program, home, recipient, "nothing"];
    const { stdout } = spawnSync("prlimit", arguments_, { encoding: "utf8" });
    expect(JSON.parse(stdout.trim().split("\n")[1]!)).toMatchObject({ code: "io/file-too-large", exitCode: 4 });
    expect(await expectHonest(home)).toBe("incomplete");
  });
});
