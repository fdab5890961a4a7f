import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { catalogueEntry } from "../../src/rules/catalogue.ts";
import { catalogueJsonSchema, readCatalogue, shippedCatalogue } from "../../src/rules/index.ts";
import { temporaryFolder } from "../seal/folder.ts";
import { catalogueFolder, catalogueText, soundEntry } from "./catalogue-texts.ts";

const place = temporaryFolder();
let folders = 0;
const folderOf = (files: Readonly<Record<string, string>>) => catalogueFolder(join(place, `${++folders}`), files);

/** A file in block style, one thing a line, so that a place is easy to count. */
const LINES = [
  "codes:", //                                                          1
  "  - code: 0x9F", //                                                  2
  "    name: DRIVER_POWER_STATE_FAILURE", //                            3
  "    family: power", //                                               4
  "    summary: a power request came to no end", //                     5
  "    parameters: [which, by parameter 1, by parameter 1, not used]", // 6
  "    cases:", //                                                      7
  "      - when: [0x3, 0x4]", //                                        8
  "        says: a device keeps a request", //                          9
  "        parameters: [device, details, request]", //                 10
  "      - when: 0x500", //                                            11
  "        by: 4", //                                                  12
  "        says: a request ended too early", //                        13
  "        parameters: [not used, target, device]", //                 14
  "    causes: [a driver that keeps a request]", //                    15
  "    advice: [update that driver]", //                               16
  "    checks: [driver-verifier]", //                                  17
  "  - code: 0xA0", //                                                 18
  "    name: INTERNAL_POWER_ERROR", //                                 19
  "    family: power", //                                              20
  "    summary: something else", //                                    21
  "    parameters: [a, b, c, d]", //                                   22
  "    causes: [a driver]", //                                         23
  "    advice: [update it]", //                                        24
];

const withLine = (number: number, content: string): string => LINES.with(number - 1, content).join("\n");

const problemsOf = (text: string, name = "0x90-0xaf.yaml") =>
  readCatalogue(folderOf({ [name]: text })).problems.map(
    ({ where: { line, column }, code, message }) => `${line}:${column} ${code} ${message}`,
  );

describe("a file of the catalogue", () => {
  it("is read as it stands, with what may be left out filled in", () => {
    const { entries, problems } = readCatalogue(folderOf({ "0x90-0xaf.yaml": LINES.join("\n") }));
    expect(problems).toEqual([]);
    expect(entries).toMatchObject([
      {
        code: 0x9f,
        cases: [
          { when: [3, 4], by: 1, parameters: ["device", "details", "request"] },
          { when: [0x500], by: 4 },
        ],
        checks: ["driver-verifier"],
      },
      { code: 0xa0, cases: [], checks: [] },
    ]);
  });

  it.each([
    ["an unknown key", 5, "    summry: x", "5:5 rules/unknown-key the key `summry` is not known here"],
    ["a name in lower case", 3, "    name: driver_power", "3:11 rules/shape a name is words joined by underscores"],
    ["a family that there is not", 4, "    family: powers", "4:13 rules/shape this should be one of pool, memory"],
    ["a full stop", 5, "    summary: it ended.", "5:14 rules/shape a phrase has no full stop at its end"],
    [
      "a comma that makes five of four",
      6,
      "    parameters: [a, b, c, d, e]",
      "6:17 rules/shape this is too long: at most 4",
    ],
    ["three of four", 6, "    parameters: [a, b, c]", "6:17 rules/shape this is too short: at least 4"],
    ["a number for a phrase", 6, "    parameters: [0, b, c, d]", "6:18 rules/shape this should be a text"],
    [
      "a case with four others",
      10,
      "        parameters: [a, b, c, d]",
      "10:21 rules/shape this is too long: at most 3",
    ],
    ["a value that is a text", 8, "      - when: 0X3", "8:15 rules/shape this should be a number"],
    ["a list of one value", 8, "      - when: [3]", "8:15 rules/shape this is too short: at least 2"],
    ["a parameter that there is not", 12, "        by: 5", "12:13 rules/shape this is too large: at most 4"],
    [
      "a check that there is not",
      17,
      "    checks: [special-pol]",
      "17:14 rules/shape this should be one of pte-tracking",
    ],
    ["no cause", 15, "    causes: []", "15:13 rules/shape this should not be empty"],
    ["no advice", 16, "    # nothing", "2:5 rules/missing-key `advice` is missing here"],
    ["five steps", 16, "    advice: [a, b, c, d, e]", "16:13 rules/shape this is too long: at most 4"],
    ["a code beyond 32 bits", 18, "  - code: 0x1000000A0", "18:11 rules/shape this is too large"],
    ["a code twice", 18, "  - code: 0x9F", "18:11 rules/duplicate 0x9F is already in "],
    ["codes that descend", 18, "  - code: 0x9E", "18:11 rules/order 0x9E stands after 0x9F"],
    ["a code of another file", 18, "  - code: 0xB0", "18:11 rules/file-name 0xB0 is none of this file's codes"],
  ])("with %s is refused with the place", (_, line, content, expected) => {
    const [first] = problemsOf(withLine(line, content));
    expect(first?.startsWith(expected), first).toBe(true);
  });

  it("may say of two parameters what the same value means, and not of one twice", () => {
    expect(problemsOf(withLine(11, "      - when: 0x3"))).toEqual([]);
    const twice = LINES.with(10, "      - when: [0x9, 0x4]").with(11, "        by: 1").join("\n");
    expect(problemsOf(twice)).toEqual(["11:15 rules/duplicate parameter 1 = 0x4 has a case already"]);
  });

  it("is named for its codes", () => {
    expect(problemsOf(LINES.join("\n"), "power.yaml")).toEqual([
      "1:1 rules/file-name a file is named for its codes, such as `0x0c5-0x0cf.yaml`",
    ]);
    expect(problemsOf(catalogueText({}), "0x9f.yaml")).toEqual([]);
    expect(problemsOf(catalogueText({}), "0x9e.yaml")).toHaveLength(1);
    expect(problemsOf(catalogueText({}), "0x90-end.yaml")).toEqual([]);
    expect(problemsOf(catalogueText({}), "0xa0-end.yaml")).toHaveLength(1);
  });
});

describe("a catalogue of several files", () => {
  it("has a code in one of them only, and says where the other is", () => {
    const folder = folderOf({ "0x9f.yaml": catalogueText({}), "0x90-0xaf.yaml": catalogueText({}, { code: 0xa0 }) });
    const { entries, problems } = readCatalogue(folder);
    expect(problems.map(({ message, where }) => [message, where])).toEqual([
      [
        `0x9F is already in ${join(folder, "0x90-0xaf.yaml")}:4:12`,
        { file: join(folder, "0x9f.yaml"), line: 4, column: 12 },
      ],
    ]);
    expect(entries.map(({ code }) => code)).toEqual([0x9f, 0xa0]);
  });

  it("is asked for one code without reading the files of others", () => {
    const folder = folderOf({ "0x90-0xaf.yaml": catalogueText({}), "0x001-0x08f.yaml": "codes: [" });
    expect(catalogueEntry(0x9f, folder)).toMatchObject({ name: "DRIVER_POWER_STATE_FAILURE" });
    expect(catalogueEntry(0xa0, folder)).toBeNull();
    expect(catalogueEntry(0xb0, folder)).toBeNull();
    expect(() => catalogueEntry(0x8f, folder)).toThrow(
      expect.objectContaining({ code: "rules/yaml", where: expect.objectContaining({ line: 1 }) }),
    );
  });

  it("reads a file whose name says nothing, to refuse it", () => {
    const folder = folderOf({ "0x90-0xaf.yaml": catalogueText({}), "mine.yaml": catalogueText({ code: 0xa0 }) });
    expect(() => catalogueEntry(0x9f, folder)).toThrow(expect.objectContaining({ code: "rules/file-name" }));
  });
});

it("the published JSON Schema is the one in the code, and as strict", () => {
  const published = JSON.parse(readFileSync(join(shippedCatalogue, "catalogue.schema.json"), "utf8")) as object;
  expect(published).toEqual(JSON.parse(JSON.stringify(catalogueJsonSchema())));
  const schema = z.fromJSONSchema(published as Parameters<typeof z.fromJSONSchema>[0]);
  const whens = [3, [3, 4]].map((when) => ({ when, says: "x", parameters: ["a", "b", "c"] }));
  expect(schema.safeParse({ codes: [{ ...soundEntry, cases: whens }] }).error).toBeUndefined();
  for (const wrong of [{ more: 1 }, { code: "0x9F" }, { parameters: ["a"] }, { cases: [{ ...whens[0], when: [3] }] }])
    expect(schema.safeParse({ codes: [{ ...soundEntry, ...wrong }] }).success).toBe(false);
});
