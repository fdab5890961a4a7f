import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createCrashFolder, newCrashId } from "../../src/archive/index.ts";
import { CrashHistory, rebuildHistory } from "../../src/history/index.ts";
import { temporaryFolder } from "../stopcode.ts";

const folder = temporaryFolder();
afterAll(() => folder.remove());

const template = folder.in("template");
const home = folder.in("home");
const ids: string[] = [];

/** Three whole crashes with facts and findings, written by the archive itself. */
beforeAll(() => {
  for (let n = 0; n < 3; n += 1) {
    const at = new Date(Date.UTC(2026, 0, 15, 3, n));
    const crash = createCrashFolder(template, newCrashId(at, "web"), 0);
    const title = `TITLE_${n}`;
    crash.addFile(
      "facts.json",
      JSON.stringify({ schema: "stopcode/facts/1", crash: { title }, bucket: { id: `b${n}` } }),
    );
    const culprit = { kind: "driver", name: `driver${n}.sys` };
    crash.addFile("findings.json", JSON.stringify({ findings: [{ verdict: "probable", culprit }] }));
    const stopCode = { code: "0x3f", parameters: [] };
    crash.finish({
      ...{ at: at.toISOString(), host: "lab", partition: "web", boot: n + 1, stopCode },
      ...{ dump: null, sealed: [], skipped: [], armed: [] },
    });
    ids.push(crash.id);
  }
});

beforeEach(() => {
  rmSync(home, { recursive: true, force: true });
  cpSync(template, home, { recursive: true });
});

const listed = async () => {
  const history = await CrashHistory.open(home);
  const rows = history.list();
  history.close();
  return rows;
};

describe("the crash history", () => {
  it("adopts whole folders that no journal line speaks of: their writer was killed before it", async () => {
    const rows = await listed();
    expect(rows.map(({ id, title, culprit, bucket }) => [id, title, culprit, bucket])).toEqual(
      [2, 1, 0].map((n) => [ids[n], `TITLE_${n}`, `driver${n}.sys`, `b${n}`]),
    );
    expect(await listed()).toEqual(rows);
  });

  it("rebuilds to the same rows, whatever of journal and index is lost or spoilt", async () => {
    const rows = await listed();
    for (const spoil of [
      () => rmSync(join(home, "history"), { recursive: true }),
      () => rmSync(join(home, "history/index.sqlite")),
      () => writeFileSync(join(home, "history/index.sqlite"), "no database"),
      () => writeFileSync(join(home, "history/journal.ndjson"), "no journal\n"),
    ]) {
      spoil();
      expect(await rebuildHistory(home)).toEqual({ rows: 3, dropped: [], incomplete: [] });
      expect(await listed()).toEqual(rows);
    }
  });

  it("drops the row of a folder that is gone only when it is rebuilt, and says so", async () => {
    await listed();
    rmSync(join(home, ids[1] ?? ""), { recursive: true });
    expect((await listed()).length).toBe(3);
    expect(await rebuildHistory(home)).toEqual({ rows: 2, dropped: [ids[1]], incomplete: [] });
  });

  it("is not stopped by one folder that cannot be read", async () => {
    writeFileSync(join(home, ids[0] ?? "", "crash.json"), "{ cut off");
    writeFileSync(join(home, ids[1] ?? "", "facts.json"), "");
    rmSync(join(home, ids[2] ?? "", "crash.json"));
    expect(await listed()).toEqual([]);
    const { rows, incomplete } = await rebuildHistory(home);
    expect(rows).toBe(0);
    expect(incomplete.map(({ id }) => id).sort()).toEqual([...ids].sort());
  });

  it("is asked without leaving anything behind where there is nothing", async () => {
    rmSync(home, { recursive: true });
    expect(await listed()).toEqual([]);
    expect(existsSync(home)).toBe(false);
  });

  it("leaves no unfinished file behind", async () => {
    await listed();
    expect(readdirSync(join(home, "history")).sort()).toEqual(["index.sqlite", "journal.ndjson"]);
    expect(readFileSync(join(home, "history/journal.ndjson"), "utf8").split("\n").length).toBe(5);
  });

  it("finds a crash by the beginning of its id, and names the others when that fits several", async () => {
    const history = await CrashHistory.open(home);
    const [first = "", second = ""] = ids;
    expect(history.find(first).row.id).toBe(first);
    expect(history.find(first.slice(0, 16)).folder).toBe(join(home, first));
    expect(() => history.find("2026")).toThrowError(
      expect.objectContaining({ code: "history/ambiguous-crash", hint: expect.stringContaining(second) }),
    );
    expect(() => history.find("1999")).toThrowError(expect.objectContaining({ code: "history/unknown-crash" }));
    history.close();
  });
});
