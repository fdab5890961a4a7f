import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { checks, explainStopCode, loadPacks } from "../../src/rules/index.ts";
import { temporaryFolder } from "../seal/folder.ts";
import { catalogueFolder, catalogueText } from "./catalogue-texts.ts";

const place = temporaryFolder();
const catalogue = join(place, "catalogue");

const power = {
  cases: [
    { when: 3, says: "a device keeps a request", parameters: ["device", "details", "request"] },
    { when: [5, 6], says: "a transition failed", parameters: ["device", "not used", "NTSTATUS of the transition"] },
  ],
};

/** 0xC1 is decided by parameter 4, 0x93 by 4 or else by 2. */
const pool = {
  parameters: ["by parameter 4", "by parameter 4", "by parameter 4", "what was found"],
  cases: [{ when: 0x24, by: 4, says: "the end was overwritten", parameters: ["block", "damage", "not used"] }],
};
const handle = {
  parameters: ["handle", "by parameter 4", "not used", "by parameter 2"],
  cases: [
    { when: 1, by: 4, says: "used", parameters: ["handle", "handle table", "not used"] },
    { when: 0, by: 2, says: "protected", parameters: ["handle", "not used", "not used"] },
  ],
};

const entries = [
  { code: 0x01, name: "APC_INDEX_MISMATCH" },
  { code: 0x0a, name: "IRQL_NOT_LESS_OR_EQUAL", parameters: ["address", "its level", "how", "instruction"] },
  ...[0x18, 0x19, 0x1a, 0x31, 0x3f, 0x4e, 0x50, 0x76, 0x77, 0x7a, 0x7b].map((code) => ({ code })),
  { code: 0x7e, name: "SYSTEM_THREAD_EXCEPTION_NOT_HANDLED", summary: "the base" },
  { code: 0x7f },
  { code: 0x93, name: "INVALID_KERNEL_HANDLE", ...handle },
  { code: 0x9f, ...power, checks: ["driver-verifier", "pte-misuse"] },
  { code: 0xab, parameters: ["current IRQL", "IRQL allowed or not", "tag of the block", "status of the session"] },
  { code: 0xbe },
  { code: 0xc1, name: "SPECIAL_POOL_DETECTED_MEMORY_CORRUPTION", ...pool },
  ...[
    0xc2, 0xc4, 0xc5, 0xc7, 0xcb, 0xcc, 0xcd, 0xce, 0xd0, 0xd1, 0xd5, 0xd6, 0xd8, 0xda, 0xdb, 0xe6, 0x124, 0x133, 0x139,
    0x1c8, 0x20001,
  ].map((code) => ({
    code,
  })),
  { code: 0x1000007e, name: "SYSTEM_THREAD_EXCEPTION_NOT_HANDLED_M", summary: "the marked one" },
];

beforeAll(() => {
  catalogueFolder(catalogue, { "0x001-0x1fffffff.yaml": catalogueText(...entries) });
});

const explain = (code: string, ...parameters: string[]) => explainStopCode(code, parameters, catalogue);
const texts = (code: string, ...parameters: string[]) =>
  explain(code, ...parameters).parameters.map(({ text }) => text);

describe("a stop code is named", () => {
  it.each(["0x9F", "9f", "0x000000000000009F", "0X9f", "DRIVER_POWER_STATE_FAILURE", "Driver_Power_State_Failure"])(
    "by %s",
    (code) => {
      expect(explain(code)).toMatchObject({ code: "0x9f", name: "DRIVER_POWER_STATE_FAILURE" });
    },
  );

  it("in hex also where its digits are decimal", () => {
    expect(explain("18").code).toBe("0x18");
  });

  it.each([
    ["0x9e0", "there is no stop code 0x9E0", /^the nearest are 0xBFE BC_BLUETOOTH_VERIFIER_FAULT and 0xBFF /],
    ["0x100000009F", "no stop code is named 0x100000009F", /whole name/],
    ["POWER_STATE", "no stop code is named POWER_STATE", /there is DRIVER_POWER_STATE_FAILURE/],
    ["DRIVER_POWER_STAT_FALIURE", "no stop code is named", /did you mean `DRIVER_POWER_STATE_FAILURE`\?/],
    ["xyz", "no stop code is named xyz", /whole name/],
  ])("%s is none, and the nearest are told", (code, message, hint) => {
    expect(() => explain(code)).toThrow(
      expect.objectContaining({
        code: "usage/stop-code",
        exitCode: 2,
        message: expect.stringContaining(message),
        hint: expect.stringMatching(hint),
      }),
    );
  });

  it("with the mark of an exception by its base, unless it has an entry of its own", () => {
    expect(explain("0x1000009f")).toMatchObject({
      code: "0x1000009f",
      name: "DRIVER_POWER_STATE_FAILURE_M",
      summary: "a power request came to no end",
    });
    expect(explain("DRIVER_POWER_STATE_FAILURE_M").code).toBe("0x1000009f");
    expect(explain("0x1000007e").summary).toBe("the marked one");
    expect(explain("SYSTEM_THREAD_EXCEPTION_NOT_HANDLED_M").code).toBe("0x1000007e");
    expect(explain("0x7e").summary).toBe("the base");
  });

  it("and has no entry: the error says so", () => {
    expect(() => explain("0x2")).toThrow(expect.objectContaining({ code: "rules/no-entry" }));
  });
});

describe("the parameters", () => {
  it("are told in general where none is given, with the cases to decide between", () => {
    expect(explain("0x9f")).toMatchObject({
      decided: null,
      cases: [
        { parameter: 1, values: ["0x3"], says: "a device keeps a request" },
        { parameter: 1, values: ["0x5", "0x6"], says: "a transition failed" },
      ],
      parameters: [
        { value: null, meaning: "which transition failed", text: null },
        ...Array(3).fill({ value: null, meaning: "by parameter 1", text: null }),
      ],
    });
  });

  it("are told by the case that the first decides", () => {
    expect(explain("0x9f", "6", "0xffff800000000010", "0", "0xC0000001")).toMatchObject({
      decided: { parameter: 1, value: "0x6", says: "a transition failed" },
      cases: [],
      parameters: [
        { value: "0x6", meaning: "which transition failed" },
        { value: "0xffff800000000010", meaning: "device" },
        { value: "0x0", meaning: "not used" },
        { value: "0xc0000001", meaning: "NTSTATUS of the transition", text: "STATUS_UNSUCCESSFUL" },
      ],
    });
  });

  it("are told in general where the first has a value that no case knows", () => {
    expect(explain("0x9f", "0x99")).toMatchObject({
      decided: { parameter: 1, value: "0x99", says: null },
      cases: [],
      parameters: [{ value: "0x99" }, { meaning: "by parameter 1" }, {}, {}],
    });
  });

  it("are told by the fourth where that decides, and not before it is given", () => {
    expect(explain("0xc1", "0x10", "0x18", "0", "0x24")).toMatchObject({
      decided: { parameter: 4, value: "0x24", says: "the end was overwritten" },
      parameters: [{ meaning: "block" }, { meaning: "damage" }, { meaning: "not used" }, { meaning: "what was found" }],
    });
    expect(explain("0xc1", "0x24", "0x24", "0x24")).toMatchObject({ decided: null, cases: [{ parameter: 4 }] });
  });

  it("are told by the first case that fits, where two parameters can decide", () => {
    const decided = (...values: string[]) => explain("0x93", ...values).decided;
    expect(decided("8", "0", "0", "1")).toEqual({ parameter: 4, value: "0x1", says: "used" });
    expect(decided("8", "0", "0", "0")).toEqual({ parameter: 2, value: "0x0", says: "protected" });
    expect(decided("8", "0")).toEqual({ parameter: 2, value: "0x0", says: "protected" });
    expect(decided("8", "5", "0", "5")).toEqual({ parameter: 4, value: "0x5", says: null });
    expect(explain("0x93", "8", "0").parameters.map(({ meaning }) => meaning)).toEqual([
      ...["handle", "by parameter 4", "not used", "not used"],
    ]);
  });

  it("are spelt out where the analysis of dumps knows how", () => {
    expect(texts("0xa", "0x10", "2", "1", "0xfffff80000001000")).toEqual([null, "DISPATCH_LEVEL", "write", null]);
    expect(texts("0xa", "0x10", "2", "8")).toEqual([null, "DISPATCH_LEVEL", "execute", null]);
    expect(texts("0x7e", "0xffffffffc0000005")).toEqual(["STATUS_ACCESS_VIOLATION", null, null, null]);
  });

  it("are spelt out where the catalogue's words say what they are", () => {
    expect(texts("0xab", "1", "1", "0x6c6f6f50", "0xc0000005")).toEqual([
      ...["APC_LEVEL", "APC_LEVEL", "Pool", "STATUS_ACCESS_VIOLATION"],
    ]);
    expect(texts("0x1", "1", "1", "0x6c6f6f50", "0xc0000005")).toEqual([null, null, null, null]);
  });

  it.each(["zz", "-1", "1.5", "ffff", "0x1ffffffffffffffff", ""])("may not be %j", (value) => {
    expect(() => explain("0x9f", value)).toThrow(expect.objectContaining({ code: "usage/parameter", exitCode: 2 }));
  });

  it("may have 64 bits", () => {
    expect(explain("0x1", "18446744073709551615").parameters[0]!.value).toBe("0xffffffffffffffff");
  });
});

it("the checks come with what an administrator runs", () => {
  expect(explain("0x9f").checks).toEqual([
    {
      check: "driver-verifier",
      summary: checks["driver-verifier"]!.summary,
      how: "verifier /standard /all",
      source: "Driver Verifier command syntax",
    },
    expect.objectContaining({ check: "pte-misuse", how: expect.stringContaining("TrackPtes") }),
  ]);
});

describe("the rules of the shipped packs that ask for a stop code", () => {
  const asking = (code: string) => explain(code).rules.map(({ pack, id }) => `${pack}/${id}`);

  it("are found, also for the marked variant and in lists", () => {
    expect(asking("0xd1")).toEqual([
      "windows-core/driver-bad-address",
      "windows-core/bad-address-in-windows",
      "windows-core/driver-pageable-at-raised-irql",
      "windows-core/address-bit-flipped",
    ]);
    expect(asking("0xa")).toEqual(asking("0xd1"));
    expect(asking("0x7e")).toEqual(["windows-core/driver-unhandled-exception", "windows-core/address-bit-flipped"]);
    expect(asking("0x1000007e")).toEqual(asking("0x7e"));
  });

  it("are none where a rule compares something else with the same number", () => {
    // A rule for 0x1A has `damage in [0x31, 0x3f, 0x403]`.
    expect(asking("0x31")).toEqual([]);
    expect(asking("0x3f")).toEqual([
      "windows-core/system-ptes-exhausted",
      "windows-core/system-ptes-too-few",
      "windows-core/system-ptes-one-holder",
    ]);
  });

  it("are all rules that ask for any", () => {
    const every = loadPacks().flatMap(({ rules }) => rules);
    const ask = every.filter(({ when }) => when.some(({ text }) => text.includes("crash.stopCode.code")));
    const found = new Set(entries.flatMap(({ code }) => explain(code.toString(16)).rules.map(({ id }) => id)));
    expect([...found].sort()).toEqual(ask.map(({ id }) => id).sort());
  });
});
