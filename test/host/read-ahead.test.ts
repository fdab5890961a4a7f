import { describe, expect, it } from "vitest";
import { HostDisk } from "../../src/host/emulated/host-disk.ts";

/** A disk that is busy with many reads of files at a time; when a page was there that is read ahead, and wanted after so long. */
function pageReadAhead(wantedAfter: number | null): number {
  const disk = new HostDisk({ faults: [], streams: 0, seed: 1, usedSectors: 2 ** 22 });
  let now = 0;
  let arrived = 0;
  const files = disk.files(
    2 ** 20,
    () => now,
    (_at, action) => action(),
  );
  const file = disk.pageFile(
    0,
    64,
    () => now,
    (at, action) => {
      arrived = at;
      action();
    },
  );
  for (let read = 0; read < 60; read++) files.read(((read * 37) % 60) * 2 ** 24, 65_536, "normal", () => {});
  const ahead = file.readAhead(5, () => {});
  let isWanted = false;
  while (disk.next !== Number.POSITIVE_INFINITY && arrived === 0) {
    now = disk.next;
    if (!isWanted && wantedAfter !== null && now >= wantedAfter) {
      isWanted = true;
      ahead.wanted();
    }
    disk.step();
  }
  return arrived / 10_000;
}

describe("a page that is read ahead", () => {
  it("waits behind what others wait for, until a page fault waits for it: then it is next", () => {
    const behind = pageReadAhead(null);
    const hurried = pageReadAhead(20 * 10_000);
    expect(behind).toBeGreaterThan(80);
    // What was under way, and its own way.
    expect(hurried).toBeGreaterThan(20);
    expect(hurried).toBeLessThan(20 + 2 * 15);
  });
});
