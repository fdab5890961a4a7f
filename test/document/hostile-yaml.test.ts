import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { StopcodeError } from "../../src/binary/index.ts";
import { problemText, readText, refusal } from "../../src/document/index.ts";
import { temporaryFolder } from "../seal/folder.ts";
import { brief, letter, problemsOf } from "./documents.ts";

describe("a hostile text is refused before it can cost anything", () => {
  const lines = (count: number, content: (index: number) => string) =>
    Array.from({ length: count }, (_, at) => content(at)).join("\n");

  it.each([
    ["brackets a hundred thousand deep", `a: ${"[".repeat(100_000)}`, /^1:\d+ it nests more than 24 deep$/],
    ["brackets deep over many lines", `a: ${"[\n".repeat(50_000)}`, /it nests more than 24 deep/],
    ["a list in a list in a list, without brackets", `${"- ".repeat(5_000)}x`, /it nests more than 24 deep/],
    ["keys that are keys of keys", `${"? ".repeat(5_000)}x`, /it nests more than 24 deep/],
    [
      "more keys than could be compared with each other in time",
      lines(5_000, (at) => `k${at}: 1`),
      /more than 1024 entries/,
    ],
    ["a million of little things", lines(60_000, (at) => `k${at}: 1`), /more than 65536 tokens/],
    [
      "anchors and aliases that stand for more each line",
      lines(20, (at) => `b${at}: &b${at} [${`*b${at - 1},`.repeat(9)}]`),
      /anchors are not allowed/,
    ],
    ["an alias alone", "a: [1, *a]", /aliases are not allowed/],
    ["a tag", "a: !include /etc/passwd", /Unresolved tag|tags are not allowed/],
    ["a tag that makes bytes", "a: !!binary aaaa", /tags are not allowed/],
    ["several documents", "a: 1\n---\nb: 2", /multiple documents/],
    ["no YAML at all", "}{][:&*!|>'\"%@`\n".repeat(1000), /./],
    ["a value that cannot be made a text", "{a: 1, b: {toString: 1, valueOf: 1}}", /1:11 this should be one of x/],
    [
      "keys that JavaScript gives a meaning to",
      '{"__proto__": {"x": 1}, "constructor": 1}',
      /`__proto__` is not known here/,
    ],
  ])("%s", (_, text, complaint) => {
    const found = problemsOf(text, z.strictObject({ a: z.unknown(), b: z.enum(["x"]).optional() }));
    expect(found.map(brief).join("\n")).toMatch(complaint);
    expect(found.length).toBeLessThan(2000);
  });
});

describe("what a hostile text is shown as", () => {
  it("has no characters that would act on a terminal, in the message, the line and the hint", () => {
    const schema = z.strictObject({ a: z.string() });
    const [known, unknown] = problemsOf('"\\e[2J\\rb": 1 #\u001b[31m\u009b\na: 1\n', schema).map(problemText);
    expect(`${known}${unknown}`).not.toMatch(/[^\P{Cc}\n]/u);
    expect(known).toContain("the key `\ufffd[2J\ufffdb` is not known here");
    expect(known).toContain('1 | "\\e[2J\\rb": 1 #\ufffd[31m\ufffd');
  });

  it("is the beginning of a message that a key makes long", () => {
    const [problem] = problemsOf(`? ${"k".repeat(100_000)}\n: 1`, z.strictObject({}));
    expect(problem!.message).toMatch(/^the key `k{400,500}$/);
  });

  it("is the beginning of a long line, without a caret that would stand beyond it", () => {
    const [problem] = problemsOf(`{${" ".repeat(100_000)}b: 1}`, z.strictObject({}));
    expect(problem!.where.column).toBe(100_002);
    expect(refusal([problem!]).message.length).toBeLessThan(300);
    expect(refusal([problem!]).message).not.toContain("^");
  });
});

describe("a file", () => {
  const folder = temporaryFolder();
  const refusedWith = (path: string): StopcodeError => {
    try {
      readText(letter, path);
    } catch (error) {
      if (error instanceof StopcodeError) return error;
    }
    throw new Error("it was read");
  };

  it("is read as it is", () => {
    writeFileSync(join(folder, "good.yaml"), "a: ä\r\n");
    expect(readText(letter, join(folder, "good.yaml"))).toBe("a: ä\r\n");
  });

  it.each([
    ["that is not there", "absent.yaml", /cannot read the letter: ENOENT/],
    ["that is a folder", ".", /cannot read the letter: it is not a file/],
    ["that never ends", "/dev/zero", /cannot read the letter: it is not a file/],
  ])("%s is the disk's trouble: exit code 4", (_, name, message) => {
    const file = name.startsWith("/") ? name : join(folder, name);
    expect(refusedWith(file)).toMatchObject({ code: "io/open", exitCode: 4, where: { file } });
    expect(refusedWith(file).message).toMatch(message);
  });

  it("larger than anyone writes is refused unread: exit code 3", () => {
    const file = join(folder, "large.yaml");
    writeFileSync(file, "#".repeat(512 * 1024));
    expect(readText(letter, file).length).toBe(512 * 1024);
    writeFileSync(file, "#".repeat(512 * 1024 + 1));
    expect(refusedWith(file)).toMatchObject({ code: "letters/too-large", exitCode: 3, where: { file } });
  });
});
