import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { didYouMean, nearest } from "../../src/document/nearest.ts";

/** The same distance by its definition: every way from one word to the other is tried. */
function edits(left: string, right: string): number {
  if (left === "" || right === "") return left.length + right.length;
  if (left[0] === right[0]) return edits(left.slice(1), right.slice(1));
  const ways = [
    edits(left.slice(1), right),
    edits(left, right.slice(1)),
    edits(left.slice(1), right.slice(1)),
    ...(left.length > 1 && left[0] === right[1] && left[1] === right[0] ? [edits(left.slice(2), right.slice(2))] : []),
  ];
  return 1 + Math.min(...ways);
}

const word = fc.string({ unit: fc.constantFrom("a", "b", "C"), minLength: 1, maxLength: 6 });

describe("the word that was meant", () => {
  it.each([
    ["memroy", ["name", "memory", "host"], "memory"],
    ["boot", ["clock", "boots"], "boots"],
    ["Titel", ["tile", "title"], "title"],
    ["dumpPartion", ["partitions", "dumpPartition"], "dumpPartition"],
    ["colour", ["name", "clock", "host"], null],
    ["x", ["name"], null],
    ["name", [], null],
  ])("%s among %j", (written, known, meant) => {
    expect(nearest(written, known)).toBe(meant);
  });

  it("needs the fewest edits of all, and no more than a third of the longer word", () => {
    fc.assert(
      fc.property(word, fc.array(word, { maxLength: 5 }), (written, known) => {
        const near = known
          .map((each) => ({ each, distance: edits(written.toLowerCase(), each.toLowerCase()) }))
          .filter(
            ({ each, distance }) => distance <= Math.max(1, Math.floor(Math.max(written.length, each.length) / 3)),
          )
          .sort((a, b) => a.distance - b.distance);
        expect(nearest(written, known)).toBe(near[0]?.each ?? null);
      }),
      { numRuns: 300 },
    );
  });

  it("is not looked for when what was written is no word", () => {
    expect(nearest("a".repeat(101), ["a".repeat(101)])).toBeNull();
  });

  it("is asked for", () => {
    expect(didYouMean("boot", ["boots"])).toBe("did you mean `boots`?");
    expect(didYouMean("shoe", ["boots"])).toBeUndefined();
  });
});
