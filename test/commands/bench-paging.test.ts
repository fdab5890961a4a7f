import { writeFileSync } from "node:fs";
import { afterAll, describe, expect, it } from "vitest";
import type { PagingBench } from "../../src/bench/index.ts";
import { stopcode, stopcodeJson, temporaryFolder } from "../stopcode.ts";

const folder = temporaryFolder();
afterAll(() => folder.remove());

const home = folder.in("home");
const bench = (...args: string[]) => stopcode(["bench", "paging", ...args], home);

describe("bench paging", () => {
  it("measures the part that was asked for, and says of each goal whether it is met", () => {
    const document = stopcodeJson<PagingBench>(["bench", "paging", "--only", "large", "--check"], home);
    expect([document.access, document.fills, document.streams, document.workingSets]).toEqual([[], [], [], []]);
    expect(document.large).toMatchObject([{ regions: 127, eligiblePercent: 100, wronglyLarge: 0 }]);
    expect(
      document.goals.map(({ part, figure, relation, limit, met }) => [part, figure, relation, limit, met]),
    ).toEqual([
      ["large", 100, "at least", 99, true],
      ["large", 0, "at most", 0, true],
    ]);
  });

  it("with --check, a goal that is missed is exit code 1; without, it is a mark in the table", () => {
    // One page in each 2 MiB: no fault can fill a neighbour.
    const lines = Array.from({ length: 64 }, (_, region) => `l 0x${(region * 2 ** 21).toString(16)} 1\n`);
    writeFileSync(folder.in("scattered.trace"), lines.join(""));
    const args = ["--only", "streams", "--trace", folder.in("scattered.trace")];
    const { status, stdout } = bench(...args);
    expect(status).toBe(0);
    expect(stdout).toMatch(/✗ {2}hidden faults of scattered +1x fewer +at least 4x fewer +missed/);
    expect(stdout).toMatch(/✓ {2}hidden faults of sequential +32x fewer +at least 20x fewer +met/);
    expect(bench(...args, "--check").status).toBe(1);
  }, 180_000);

  it("refuses a trace with its file and line, and one that would not be measured, before it begins", () => {
    writeFileSync(folder.in("wrong.trace"), "l 0x10 1\nl ten 1\n");
    const wrong = bench("--trace", folder.in("wrong.trace"));
    expect(wrong.status).toBe(3);
    expect(wrong.stderr).toContain(`${folder.in("wrong.trace")}:2`);
    const unused = bench("--only", "fills", "--trace", folder.in("wrong.trace"));
    expect(unused.status).toBe(2);
    expect(unused.stderr).toContain("add --only streams");
    expect(bench("--only", "everything").status).toBe(2);
  });
});
