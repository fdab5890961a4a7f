import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { StopcodeError } from "../../src/binary/index.ts";
import { loadScenario, parseScenario, scenarioJsonSchema } from "../../src/host/index.ts";

const folder = new URL("../../fixtures/scenarios/", import.meta.url).pathname;
const files = readdirSync(folder).filter((name) => name.endsWith(".yaml"));

const GOOD = `name: good
description: nothing happens
host: { name: lab, memory: 64 MiB }
dumpPartition: { memory: 4 MiB }
partitions:
  - name: web
    memory: 32 MiB
    drivers:
      - name: pump.sys
        behaviour: map-and-unmap
        options: { pages: 2 }
`;

function refusal(text: string): StopcodeError {
  try {
    parseScenario(text, "lab.yaml");
  } catch (error) {
    if (error instanceof StopcodeError) return error;
    throw error;
  }
  throw new Error("the scenario was accepted");
}

describe("scenario files", () => {
  it.each(files)("%s is a scenario, named after its file", (name) => {
    expect(`${loadScenario(join(folder, name)).name}.yaml`).toBe(name);
  });

  it("come with the schema that the code has", () => {
    expect(JSON.parse(readFileSync(join(folder, "scenario.schema.json"), "utf8"))).toEqual(
      JSON.parse(JSON.stringify(scenarioJsonSchema())),
    );
  });

  it("read sizes, times and rates as people write them", () => {
    const scenario = parseScenario(GOOD.replace("name: good", "name: good\nduration: 1.5 min"), "lab.yaml");
    expect(scenario.duration).toBe(90);
    expect(scenario.partitions[0]!.memory).toBe(32 * 2 ** 20);
    expect(scenario.partitions[0]!.drivers[0]).toMatchObject({ options: { rate: 60, pages: 2 } });
    expect(scenario.clock).toBe("2026-01-15T03:12:00Z");
  });
});

describe("a scenario with a mistake is refused with its place and a hint", () => {
  const cases = [
    {
      what: "a key with a slip of the hand",
      text: GOOD.replace("memory: 32 MiB", "memroy: 32 MiB"),
      code: "scenario/unknown-key",
      line: 7,
      column: 5,
      hint: "did you mean `memory`?",
    },
    {
      what: "an unknown option of a behaviour",
      text: GOOD.replace("{ pages: 2 }", "{ page: 2 }"),
      code: "scenario/unknown-key",
      line: 11,
      column: 20,
      hint: "did you mean `pages`?",
    },
    {
      what: "a key that resembles none",
      text: GOOD.replace("description: nothing happens", "description: x\ncolour: blue"),
      code: "scenario/unknown-key",
      line: 3,
      column: 1,
      hint: "it has: name, description, seed",
    },
    {
      what: "a size without a unit",
      text: GOOD.replace("32 MiB", "32"),
      code: "scenario/shape",
      line: 7,
      column: 13,
      message: "such as 128 MiB",
    },
    {
      what: "a behaviour there is not",
      text: GOOD.replace("map-and-unmap", "levitate"),
      code: "scenario/shape",
      line: 10,
      column: 20,
    },
    {
      what: "a missing key",
      text: GOOD.replace("description: nothing happens\n", ""),
      code: "scenario/missing-key",
      line: 1,
      message: "description",
    },
    {
      what: "two partitions of one name",
      text: `${GOOD}  - name: web\n    memory: 16 MiB\n`,
      code: "scenario/name-taken",
      line: 12,
      column: 5,
    },
    {
      what: "partitions that the host has no memory for",
      text: GOOD.replace("memory: 32 MiB", "memory: 128 MiB"),
      code: "scenario/host-memory",
      line: 3,
      column: 20,
      message: "132 MiB",
    },
    {
      what: "a fault of shadow page tables where nobody runs on any",
      text: GOOD.replace("host:", "hypervisorFault: { kind: stale-entry, at: 1 s }\nhost:").replace(
        "memory: 32 MiB",
        "memory: 32 MiB\n    engine: walk",
      ),
      code: "scenario/no-shadow",
      line: 3,
      column: 1,
      message: "no partition runs on shadow page tables",
    },
    {
      what: "a disk fault in a page file that nobody has",
      text: `${GOOD}diskFaults: [{ kind: slow, at: 1 s, delay: 2 s }]\n`,
      code: "scenario/no-page-file",
      line: 12,
      hint: "give a partition `pageFile`",
    },
    {
      what: "a disk fault behind the end of a page file",
      text: `${GOOD.replace("    drivers", "    pageFile: 1 MiB\n    drivers")}diskFaults: [{ kind: unreadable, at: 1 s, page: 256 }]\n`,
      code: "scenario/no-page-file",
      line: 13,
      message: "has 256 pages",
    },
    {
      what: "a sector slower than the disk's driver waits",
      text: `${GOOD}diskFaults: [{ kind: slow, at: 1 s, delay: 10 s }]\n`,
      code: "scenario/shape",
      line: 12,
      message: "less than 10 s",
    },
    {
      what: "a page for a fault of the whole disk",
      text: `${GOOD}diskFaults: [{ kind: dead, at: 1 s, page: 7 }]\n`,
      code: "scenario/unknown-key",
      line: 12,
    },
    {
      what: "a device to sleep that there is not",
      text: `${GOOD}      - { name: idle.sys, behaviour: idle-power-down, options: { device: pump.sys } }\n`,
      code: "scenario/unknown-driver",
      line: 12,
      message: "no driver pump.sys with a device",
    },
    {
      what: "a private process without an owner",
      text: GOOD.replace("    drivers:", "    processes: [{ name: a.exe, private: true }]\n    drivers:"),
      code: "scenario/no-owner",
      line: 8,
      column: 32,
    },
    {
      what: "a dump of itself without a page file",
      text: GOOD.replace("    drivers:", "    selfDump: true\n    drivers:"),
      code: "scenario/no-page-file",
      line: 8,
      column: 5,
    },
    {
      what: "a dump of itself that would have private pages in clear",
      text: GOOD.replace(
        "    drivers:",
        "    selfDump: true\n    pageFile: 64 MiB\n    owners: [age19td43ekvkhtnrn8qshmfdm2fn3ma077a3cjv0h58e0zj6nctrszswcg6t4]\n    processes: [{ name: a.exe, private: true }]\n    drivers:",
      ),
      code: "scenario/self-dump-in-clear",
      line: 8,
      column: 5,
      hint: "agent outside",
    },
    {
      what: "a dump of itself by a guest of which nothing is to be kept",
      text: GOOD.replace("    drivers:", "    selfDump: true\n    pageFile: 64 MiB\n    stateless: true\n    drivers:"),
      code: "scenario/self-dump-in-clear",
      line: 8,
      column: 5,
      message: "is stateless",
    },
    {
      what: "an adapter driver that is not there",
      text: GOOD.replace("    drivers:", "    adapterDriver: nosuch.sys\n    drivers:"),
      code: "scenario/unknown-driver",
      line: 8,
      column: 5,
    },
    {
      what: "an expectation of a partition there is not",
      text: `${GOOD}expect: [{ partition: wbe, stopCode: 0x3F }]\n`,
      code: "scenario/unknown-partition",
      line: 12,
      column: 12,
      hint: "web",
    },
    {
      what: "a partition too small for its processes",
      text: GOOD.replace("    drivers:", "    processes: [{ name: a.exe, memory: 30 MiB }]\n    drivers:"),
      code: "scenario/partition-memory",
      line: 7,
      column: 5,
    },
    {
      what: "a partition too small for what its processes work on",
      text: GOOD.replace(
        "    drivers:",
        "    processes: [{ name: a.exe, count: 4, work: { largePages: 3 } }]\n    drivers:",
      ),
      code: "scenario/partition-memory",
      line: 7,
      column: 5,
    },
    {
      what: "more processes than can be told apart",
      text: GOOD.replace(
        "    drivers:",
        "    processes: [{ name: a.exe, count: 200, memory: 4 KiB }, { name: b.exe, count: 57, memory: 4 KiB }]\n    drivers:",
      ),
      code: "scenario/process-count",
      line: 8,
      column: 5,
    },
    {
      what: "several processes of a partition that share pages",
      text: GOOD.replace(
        "    drivers:",
        "    processes: [{ name: a.exe, count: 2, work: { share: { with: [web] } } }]\n    drivers:",
      ),
      code: "scenario/one-exchange",
      line: 8,
    },
    {
      what: "pages shared with a partition that offers none",
      text: `${GOOD}  - name: db\n    memory: 16 MiB\n`.replace(
        "    drivers:",
        "    processes: [{ name: a.exe, work: { share: { with: [db] } } }]\n    drivers:",
      ),
      code: "scenario/no-exchange",
      line: 8,
      message: "cannot share pages with db",
    },
    {
      what: "an engine there is not",
      text: GOOD.replace("memory: 32 MiB", "memory: 32 MiB\n    engine: nested"),
      code: "scenario/shape",
      line: 8,
    },
    {
      what: "a size that is no whole page, or beyond any machine",
      text: GOOD.replace("32 MiB", "9999999999 GiB"),
      code: "scenario/shape",
      line: 7,
      message: "at most 4 GiB",
    },
    {
      what: "aliases that multiply",
      text: `a: &a [x, x, x, x, x, x, x, x, x]\n${"bcdefghi".replace(/./g, (letter, index: number) => `${letter}: &${letter} [${Array(9).fill(`*${"abcdefgh"[index]}`).join(", ")}]\n`)}`,
      code: "scenario/yaml",
      line: 1,
    },
    { what: "what is no YAML", text: `${GOOD}  - : [`, code: "scenario/yaml", line: 12 },
    { what: "an empty file", text: "", code: "scenario/shape", line: 1 },
    { what: "a list", text: "- 1\n", code: "scenario/shape", line: 1 },
  ];

  it.each(cases)("$what", ({ text, code, line, column, hint, message }) => {
    const error = refusal(text);
    expect(error.code).toBe(code);
    expect(error.where).toMatchObject({ file: "lab.yaml", line, ...(column ? { column } : {}) });
    if (hint) expect(error.hint).toContain(hint);
    if (message) expect(error.message).toContain(message);
    expect(error.exitCode).toBe(3);
  });

  it("a file that is not there", () => {
    expect(() => loadScenario(join(folder, "absent.yaml"))).toThrow(/cannot read the scenario/);
    expect(() => loadScenario(join(folder, "absent.yaml"))).toThrow(
      expect.objectContaining({ code: "io/open", exitCode: 4 }),
    );
  });

  it("shows the line with a caret, below a first line that is whole without it", () => {
    const { message } = refusal(GOOD.replace("memory: 32 MiB", "memroy: 32 MiB"));
    expect(message.split("\n")).toEqual([
      "the key `memroy` is not known here",
      "  7 |     memroy: 32 MiB",
      "    |     ^",
    ]);
  });

  it("says how many more contradictions there are, and begins with the first in the file", () => {
    const error = refusal(`${GOOD}  - name: web\n    memory: 16 MiB\n`.replace("memory: 64 MiB", "memory: 32 MiB"));
    expect(error).toMatchObject({ code: "scenario/host-memory", where: { line: 3 } });
    expect(error.message).toContain("(and 1 more)");
  });

  it("with any damage is read or refused with a place that exists, and never breaks the reader", () => {
    const shipped = readFileSync(join(folder, "pte-leak.yaml"), "utf8");
    const damage = fc.array(
      fc.record({
        at: fc.integer({ min: 0, max: shipped.length }),
        remove: fc.integer({ min: 0, max: 30 }),
        insert: fc.string({ unit: fc.constantFrom(..."{}[]:,-'\"|>&*!#?%@ \n\tabx01.".split("")), maxLength: 6 }),
      }),
      { minLength: 1, maxLength: 4 },
    );
    fc.assert(
      fc.property(damage, (changes) => {
        const text = changes.reduce(
          (old, { at, remove, insert }) => old.slice(0, at) + insert + old.slice(at + remove),
          shipped,
        );
        try {
          parseScenario(text, "lab.yaml");
        } catch (error) {
          if (!(error instanceof StopcodeError)) throw error;
          const { line = 0, column = 0 } = error.where;
          expect(column).toBeGreaterThan(0);
          expect(column).toBeLessThanOrEqual(text.split("\n")[line - 1]!.length + 1);
        }
      }),
      { numRuns: 100 },
    );
  });
});
