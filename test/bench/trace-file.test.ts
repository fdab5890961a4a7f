import { writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { afterAll, describe, expect, it } from "vitest";
import { readTrace } from "../../src/bench/trace-file.ts";
import { StopcodeError } from "../../src/binary/index.ts";
import { sharedData, withPeers } from "../peers.ts";
import { temporaryFolder } from "../stopcode.ts";

const folder = temporaryFolder();
afterAll(() => folder.remove());

function traceOf(name: string, content: string | Buffer): string {
  writeFileSync(folder.in(name), content);
  return folder.in(name);
}

function refusalOf(file: string): StopcodeError {
  try {
    readTrace(file);
  } catch (error) {
    if (error instanceof StopcodeError) return error;
    throw error;
  }
  return expect.fail("it was read");
}

const STREAM = "s 0x1fffff50 1\nl 0xfffffffc 12\nl 0x0 0\n";

describe("a trace is read", () => {
  it.each([
    ["plain", STREAM],
    ["with the line ends of another system, and blank ones at the end", `${STREAM.replaceAll("\n", "\r\n")}\r\n\n`],
    ["packed", gzipSync(STREAM)],
  ])("as an address stream, %s", (_, content) => {
    expect(readTrace(traceOf("program.trace.gz", content))).toEqual({
      ...{ kind: "addresses", name: "program" },
      lows: Int32Array.of(0x1fffff50, -4, 0),
      stores: Uint8Array.of(1, 0, 0),
    });
  });

  it("as a page string with its checkpoints", () => {
    expect(readTrace(traceOf("cs.trace", "0\n1\n*\n0\n1048575\n*\n"))).toEqual({
      ...{ kind: "pages", name: "cs" },
      pages: Int32Array.of(0, 1, 0, 1_048_575),
      checkpoints: [2, 4],
    });
  });

  withPeers({ data: "traces/caffeine" }).it("as it was published", () => {
    const gcc = readTrace(sharedData("traces/caffeine/address/gcc.trace.gz"));
    expect(gcc.kind === "addresses" && gcc.lows.length).toBe(515_683);
    const loop = readTrace(sharedData("traces/caffeine/lirs/loop.trace.gz"));
    expect(loop.kind === "pages" && loop.pages.length).toBe(505_500);
  });
});

describe("a trace is refused", () => {
  it.each([
    ["a letter in the address", "l 0x10 1\nl 0x1g 1\n", 2, "l 0x1g 1"],
    ["an address of more than 32 bits", "l 0x10 1\ns 0x123456789 1\n", 2, "s 0x123456789 1"],
    ["no instructions", "l 0x10\n", 1, "l 0x10"],
    ["an access that is neither", "l 0x10 1\n\nx 0x10 1\n", 3, "x 0x10 1"],
    ["a page among addresses", "l 0x10 1\n17\n", 2, "17"],
    ["an address among pages", "17\nl 0x10 1\n", 2, "l 0x10 1"],
    ["a page beyond 4 GiB", "17\n1048576\n", 2, "1048576"],
    ["a negative page", "-1\n", 1, "-1"],
    ["another text", "Dear reader,\nthis is a letter.\n", 1, "Dear reader,"],
  ])("at its line: %s", (_, content, line, text) => {
    const file = traceOf("wrong.trace", content);
    const refusal = refusalOf(file);
    expect(refusal).toMatchObject({ code: "trace/line", where: { file, line }, exitCode: 3 });
    expect(refusal.message).toContain(JSON.stringify(text));
  });

  it("as a whole: nothing in it, checkpoints only", () => {
    expect(refusalOf(traceOf("empty.trace", "\n \n")).code).toBe("trace/empty");
    expect(refusalOf(traceOf("stars.trace", "*\n*\n")).code).toBe("trace/empty");
  });

  it("as a whole: cut off, or damaged inside", () => {
    const packed = gzipSync(STREAM.repeat(1000));
    expect(refusalOf(traceOf("cut.gz", packed.subarray(0, packed.length / 2))).code).toBe("trace/packed");
    packed[packed.length - 6]! ^= 1;
    expect(refusalOf(traceOf("damaged.gz", packed)).code).toBe("trace/packed");
  });

  it("as a whole: more pages than a guest has memory for, more bytes than are unpacked", () => {
    const pages = Array.from({ length: 2 ** 18 + 1 }, (_, page) => `l 0x${(page * 4096).toString(16)} 1\n`).join("");
    expect(refusalOf(traceOf("wide.trace", pages)).code).toBe("trace/too-large");
    const packed = gzipSync(Buffer.alloc(2 ** 20, "\n"));
    const bomb = Buffer.concat(Array.from({ length: 257 }, () => packed));
    expect(refusalOf(traceOf("bomb.gz", bomb)).code).toBe("trace/too-large");
  });

  it("where there is no file", () => {
    expect(refusalOf(folder.in("nowhere.trace"))).toMatchObject({ code: "io/open", exitCode: 4 });
    expect(refusalOf(folder.path).message).toContain("it is not a file");
  });
});
