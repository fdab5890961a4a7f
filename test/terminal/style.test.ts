import { stripVTControlCharacters, styleText } from "node:util";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { columns, count, counted, duration, printable, size, wrap } from "../../src/terminal/style.ts";

describe("numbers as people say them", () => {
  it.each([
    [1, "1 page"],
    [0, "0 pages"],
    [30_711, "30,711 pages"],
  ])("%i pages", (value, text) => expect(counted(value, "page")).toBe(text));

  it.each([
    [0, "0 bytes"],
    [1023, "1,023 bytes"],
    [4096, "4.0 KiB"],
    [134_217_728, "128 MiB"],
    [1_099_511_627_776, "1.0 TiB"],
  ])("%i bytes", (value, text) => expect(size(value)).toBe(text));

  it.each([
    [0.42, "0.4 s"],
    [41.2, "41 s"],
    [796.7, "13 min 16 s"],
    [7260, "2 h 1 min"],
  ])("%d seconds", (value, text) => expect(duration(value)).toBe(text));

  it("thousands are set apart in every number", () => {
    fc.assert(fc.property(fc.nat(), (value) => Number(count(value).replaceAll(",", "")) === value));
  });
});

describe("text", () => {
  it("from a guest cannot steer the terminal, and loses nothing that can be read", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        const shown = printable(text);
        expect(shown.length).toBe(text.length);
        for (const [index, character] of [...shown].entries()) {
          const code = character.codePointAt(0) ?? 0;
          expect(code >= 32 || character === "\n" || character === "\t", `${index}: ${code}`).toBe(true);
          expect(code < 127 || code > 159).toBe(true);
        }
      }),
    );
    expect(printable("a\u001b]0;title\u0007b")).toBe("a·]0;title·b");
  });

  it("is broken at spaces only, within the width wherever a word allows", () => {
    fc.assert(
      fc.property(
        fc.array(fc.stringMatching(/^[a-z]{1,12}$/), { minLength: 1 }),
        fc.integer({ min: 12, max: 40 }),
        (words, width) => {
          const lines = wrap(words.join(" "), width).split("\n");
          expect(lines.join(" ")).toBe(words.join(" "));
          for (const line of lines) expect(line.length).toBeLessThanOrEqual(width);
        },
      ),
    );
  });

  it("stands in columns, colour or not", () => {
    const red = (text: string) => styleText("red", text, { validateStream: false });
    const lines = columns(
      [
        ["a", "1", "x"],
        ["long", red("22"), "y"],
      ],
      [1],
    ).map(stripVTControlCharacters);
    expect(lines).toEqual(["a      1  x", "long  22  y"]);
  });
});
