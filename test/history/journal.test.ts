import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { IndexStore } from "../../src/history/index-store.ts";
import { Journal } from "../../src/history/journal.ts";
import type { HistoryRow } from "../../src/history/row.ts";

const row = (n: number, over: Partial<HistoryRow> = {}): HistoryRow => ({
  id: `20260115T03124${n % 10}Z-web-${n}`,
  at: new Date(Date.UTC(2026, 0, 15, 3, 12, n)).toISOString(),
  host: n % 2 ? "lab-1" : "lab-2",
  partition: "web",
  boot: 1,
  os: "windows 19041",
  stopCode: n % 3 ? "0x3f" : "0xd8",
  title: `crash number ${n}`,
  bucket: `b${n % 4}`,
  culprit: n % 3 ? null : "leakdrv.sys",
  verdict: n % 3 ? "suspect" : "identified",
  pages: 100 + n,
  sealedPages: null,
  ...over,
});

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "stopcode-history-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe("the journal", () => {
  it("gives back what was appended, from any offset it named", () => {
    const journal = new Journal(folder);
    journal.append(row(1));
    const { end } = journal.read();
    journal.append(row(2));
    journal.append(row(3));
    expect(journal.read().rows).toEqual([row(1), row(2), row(3)]);
    expect(journal.read(end).rows).toEqual([row(2), row(3)]);
  });

  it("loses only the line that was being written when it is cut anywhere", () => {
    const journal = new Journal(folder);
    for (let n = 1; n <= 3; n += 1) journal.append(row(n));
    const whole = readFileSync(journal.path);
    const head = whole.indexOf(10) + 1;
    for (let cut = whole.length - 1; cut >= head; cut -= 7) {
      writeFileSync(journal.path, whole.subarray(0, cut));
      const lines = whole.toString("utf8", head, cut).split("\n").length - 1;
      expect(journal.read().rows).toEqual([row(1), row(2), row(3)].slice(0, lines));
      journal.append(row(9));
      expect(journal.read().rows.at(-1), `cut at ${cut}`).toEqual(row(9));
      expect(journal.read().rows.length).toBe(lines + 1 + (cut === whole.length - 1 ? 1 : 0));
    }
  });

  it("says where a damaged line lies and keeps the others", () => {
    const journal = new Journal(folder);
    journal.append(row(1));
    const at = statSync(journal.path).size;
    appendFileSync(journal.path, '{"id": 7}\n');
    journal.append(row(2));
    expect(journal.read()).toMatchObject({ rows: [row(1), row(2)], damaged: [at] });
  });

  it("refuses a file that is not a journal, and says what to do", () => {
    writeFileSync(join(folder, "journal.ndjson"), "hello\nworld\n");
    expect(() => new Journal(folder).read()).toThrowError(
      expect.objectContaining({ code: "history/bad-journal", hint: expect.stringContaining("rebuild") }),
    );
  });
});

describe("the index", () => {
  const opened = async () => IndexStore.open(folder, new Journal(folder));

  it("answers as a plain filter over the journal's rows does", async () => {
    const journal = new Journal(folder);
    const rows = Array.from({ length: 40 }, (_, n) => row(n));
    for (const each of rows) journal.append(each);
    const index = await opened();
    const plain = (keep: (r: HistoryRow) => boolean) =>
      rows.filter(keep).sort((a, b) => (a.at === b.at ? (a.id < b.id ? 1 : -1) : a.at < b.at ? 1 : -1));
    expect(index.list({})).toEqual(plain(() => true));
    expect(index.list({ host: "lab-1", stopCode: "0xd8" })).toEqual(
      plain((r) => r.host === "lab-1" && r.stopCode === "0xd8"),
    );
    expect(index.list({ culprit: "leakdrv.sys", limit: 3 })).toEqual(plain((r) => r.culprit !== null).slice(0, 3));
    const since = row(20).at;
    expect(index.list({ since, bucket: "b1" })).toEqual(plain((r) => r.at >= since && r.bucket === "b1"));
    index.close();
  });

  it("is the same after it was saved, lost, damaged, or left behind by the journal", async () => {
    const journal = new Journal(folder);
    for (let n = 0; n < 10; n += 1) journal.append(row(n));
    const first = await opened();
    first.save();
    const want = first.list({});
    first.close();

    journal.append(row(11));
    const behind = await opened();
    expect(behind.list({})).toEqual([row(11), ...want].sort((a, b) => (a.at < b.at ? 1 : -1)));
    behind.close();

    truncateSync(first.path, 1000);
    const damaged = await opened();
    expect(damaged.list({}).length).toBe(11);
    damaged.close();

    rmSync(first.path);
    const lost = await opened();
    expect(lost.list({}).length).toBe(11);
    lost.close();
  });

  it("forgets what a journal written anew no longer has", async () => {
    const journal = new Journal(folder);
    for (let n = 0; n < 5; n += 1) journal.append(row(n));
    const first = await opened();
    first.save();
    first.close();
    journal.write([row(3)]);
    const anew = await opened();
    expect(anew.list({})).toEqual([row(3)]);
    anew.close();
  });
});
