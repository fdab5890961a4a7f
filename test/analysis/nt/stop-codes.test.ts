import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parameterMeanings } from "../../../src/analysis/nt/stop-code-parameters.ts";
import { baseStopCode, stopCodeName, stopCodes } from "../../../src/analysis/nt/stop-codes.ts";
import { sharedData, withPeers } from "../../peers.ts";

const reference = { data: "bugchecks/bugchecks.tsv" };

withPeers(reference).it("every stop code of Microsoft's reference has its name, and no other code has one", () => {
  const lines = readFileSync(sharedData(reference.data), "utf8").trim().split("\n").slice(1);
  const names = new Map(lines.map((line) => [Number.parseInt(line.split("\t")[0]!, 16), line.split("\t")[1]!]));
  expect(names.size).toBe(425);
  expect(new Map(stopCodes)).toEqual(names);
});

describe("the variants with bit 28", () => {
  it("have the base's name with _M, also where the reference does not list them", () => {
    expect(stopCodeName(0x1000_007e)).toBe("SYSTEM_THREAD_EXCEPTION_NOT_HANDLED_M");
    expect(stopCodeName(0x1000_00d1)).toBe("DRIVER_IRQL_NOT_LESS_OR_EQUAL_M");
    expect(baseStopCode(0x1000_00d1)).toBe(0xd1);
  });

  it("are not confused with other high codes", () => {
    expect(stopCodeName(0x4000_008a)).toBe("THREAD_TERMINATE_HELD_MUTEX");
    expect(baseStopCode(0xc000_021a)).toBe(0xc000_021a);
    expect(stopCodeName(0xdead_beef)).toBeNull();
  });
});

describe("parameters in words", () => {
  const first = (code: number, ...values: bigint[]) => parameterMeanings(code, values).map((one) => one?.meaning);

  it("follow the sub-code of parameter 1, and for special pool that of parameter 4", () => {
    expect(first(0xc2, 7n, 0n, 0n, 0n)[0]).toBe("freed twice");
    expect(first(0xc4, 0x62n, 0n, 0n, 3n)[3]).toBe("allocations left");
    expect(first(0xc1, 0n, 0n, 0n, 0x24n)[3]).toMatch(/behind the block/);
    expect(first(0xc1, 0n, 0n, 0n, 0x99n)[3]).toMatch(/what is wrong/);
  });

  it("are told for every stop code that the system's own procedures lead from or to", () => {
    const told = [
      ...[
        0x0a, 0x1a, 0x1e, 0x3b, 0x3f, 0x50, 0x7a, 0x7e, 0x7f, 0x9f, 0xc1, 0xc2, 0xc4, 0xc5, 0xcb, 0xcc, 0xcd, 0xce,
        0xd0,
      ],
      ...[0xd1, 0xd5, 0xd6, 0xd8, 0xda, 0xef, 0xf4, 0x101, 0x109, 0x116, 0x124, 0x133, 0x139, 0x161, 0x1c8],
    ];
    for (const code of told) {
      expect(stopCodes.has(code), code.toString(16)).toBe(true);
      expect(first(code, 0n, 0n, 0n, 0n).every(Boolean), code.toString(16)).toBe(true);
    }
    expect(first(0x5, 0n, 0n, 0n, 0n)).toEqual([undefined, undefined, undefined, undefined]);
  });
});
