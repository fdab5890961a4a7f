import { describe, expect, it } from "vitest";
import {
  ACCESS_BY_USER,
  ACCESS_IS_FETCH,
  ACCESS_IS_WRITE,
  CONDITION_COUNT,
  CR4_PKE_ON,
  EFER_NX,
  isLegal,
  KEY_ACCESS_DISABLE,
  KEY_ONE,
  KEY_WRITE_DISABLE,
  LegalCombinations,
  PDE_BIT13,
  PDE_BIT36,
  PDE_BIT51,
  PDE_LARGE,
  PDE_NX,
  PTE_BIT36,
  PTE_BIT51,
  PTE_NX,
} from "./conditions.ts";

/** Conditions that can make a combination illegal, together with others of them. */
const DEPENDENT = [
  ...[PTE_NX, PTE_BIT51, PTE_BIT36, PDE_NX, PDE_BIT51, PDE_BIT36, PDE_BIT13, PDE_LARGE, EFER_NX],
  ...[KEY_ONE, KEY_ACCESS_DISABLE, KEY_WRITE_DISABLE, CR4_PKE_ON],
  ...[ACCESS_BY_USER, ACCESS_IS_WRITE, ACCESS_IS_FETCH],
];

describe("the conditions of access.c", () => {
  it.each([
    [36, true, 28_999_680],
    [37, true, 19_169_280],
    [51, true, 19_169_280],
    [52, true, 9_338_880],
    [36, false, 2_899_968],
    [37, false, 1_916_928],
  ])("with MAXPHYADDR %i and protection keys %s have %i legal combinations", (bits, protectionKeys, count) => {
    expect(new LegalCombinations({ maxPhysicalAddressBits: bits, protectionKeys }).count).toBe(count);
  });

  it.each([36, 40, 52])("are numbered as counting through all of them finds them, MAXPHYADDR %i", (bits) => {
    const kind = { maxPhysicalAddressBits: bits, protectionKeys: true };
    const dependent = DEPENDENT.reduce((sum, bit) => sum | bit, 0);
    const counted = new Set<number>();
    for (let choice = 0; choice < 2 ** DEPENDENT.length; choice++) {
      const conditions = DEPENDENT.reduce((sum, bit, place) => ((choice >> place) & 1 ? sum | bit : sum), 0);
      if (isLegal(conditions, kind)) counted.add(conditions);
    }
    const combinations = new LegalCombinations(kind);
    // What the dependent conditions leave free are 12 or 13 others, each of them on or off whatever the others are.
    const free = combinations.count / counted.size;
    expect(free).toBe(2 ** (CONDITION_COUNT - DEPENDENT.length - 2));
    const numbered = new Map<number, number>();
    for (let index = 0; index < combinations.count; index += 61) {
      const conditions = combinations.at(index);
      if (!isLegal(conditions, kind)) expect.fail(`number ${index} is not legal`);
      numbered.set(conditions & dependent, index);
    }
    expect(new Set(numbered.keys())).toEqual(counted);
  });

  it("are numbered without a repetition", () => {
    const combinations = new LegalCombinations({ maxPhysicalAddressBits: 52, protectionKeys: false });
    const met = new Set<number>();
    for (let index = 0; index < combinations.count; index++) met.add(combinations.at(index));
    expect(met.size).toBe(combinations.count);
  });
});
