import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { StopcodeError } from "../../../src/binary/index.ts";
import type { Dump } from "../../../src/dumpfile/dump.ts";
import { openDumpFile } from "../../../src/dumpfile/file.ts";
import { openDump } from "../../../src/dumpfile/index.ts";
import { openWindowsDump, windowsFullDump } from "../../../src/dumpfile/windows/index.ts";
import { sharedData, withPeers } from "../../peers.ts";
import { bytesFile, imageBytes, sampleHeader, samplePages, seeded } from "../windows-sample.ts";

/** Opens damaged bytes and looks into everything that came out; what it may throw is a StopcodeError, and null is handed back. */
function survey(bytes: Uint8Array): { dump: Dump; bytesRead: number } | null {
  const file = bytesFile(bytes);
  try {
    const dump = openWindowsDump(file);
    const bytesRead = file.bytesRead();
    if (dump.memory.kind === "virtual") {
      const blocks = dump.memory.blocks();
      for (const { address, bytes: size } of blocks.slice(0, 20)) {
        expect(dump.memory.read(address, Math.min(size, 64))).toHaveLength(Math.min(size, 64));
        expect(dump.memory.read(address + BigInt(size) - 1n, 1)).toHaveLength(1);
      }
      expect(blocks.reduce((sum, block) => sum + block.bytes, 0)).toBeLessThanOrEqual(bytes.length * 2000);
    } else {
      for (const { firstPage, pageCount } of dump.memory.runs().slice(0, 50)) {
        expect(dump.memory.read(firstPage * 4096, 4096)).toHaveLength(4096);
        expect(dump.memory.read((firstPage + pageCount) * 4096 - 8, 8)).toHaveLength(8);
      }
      expect(dump.memory.runs().reduce((sum, run) => sum + run.pageCount, 0)).toBeLessThanOrEqual(bytes.length / 4096);
    }
    return { dump, bytesRead };
  } catch (error) {
    if (error instanceof StopcodeError) return null;
    throw error;
  }
}

const opened = (bytes: Uint8Array) => survey(bytes)!.dump;

describe.each(["triage_x64.dmp", "triage_arm64.dmp"])("%s, damaged", (name) => {
  const path = `windows/rizin/${name}`;
  const { it } = withPeers({ data: path });
  const real = () => new Uint8Array(readFileSync(sharedData(path)));

  it("cut off at 250 places, it opens as far as it goes and says that it was cut", () => {
    const whole = real();
    const next = seeded(whole.length);
    for (let round = 0; round < 250; round++) {
      // Half of the cuts fall where the lists are: most of the file is data blocks.
      const length = next() % (round % 2 === 0 ? 0x20000 : whole.length);
      const cut = survey(whole.subarray(0, length));
      if (length < 0x2000) expect(cut).toBeNull();
      else expect(cut!.dump.problems.map((problem) => problem.code)).toContain("truncated");
      if (cut) expect(cut.dump).toMatchObject({ complete: false, bytes: length });
    }
  });

  it("with 150 random changes where its lists and its header are, nothing but a StopcodeError comes out", () => {
    const whole = real();
    const next = seeded(7);
    let refused = 0;
    for (let round = 0; round < 150; round++) {
      const bytes = whole.slice();
      const view = new DataView(bytes.buffer);
      for (let change = 0; change < 1 + (round % 8); change++) {
        const at = next() % (round % 3 === 0 ? 0x2080 : round % 3 === 1 ? 0x26000 : bytes.length - 8);
        if (next() % 2 === 0) bytes[at] = next();
        else view.setUint32(at, [0xffffffff, 0x7fffffff, 0, 0x80000000, bytes.length][next() % 5]!, true);
      }
      const result = survey(bytes);
      if (result === null) refused++;
      // Whatever a count or a size claims, the file is read a few times over at most.
      else expect(result.bytesRead).toBeLessThan(bytes.length * 8);
    }
    expect(refused).toBeLessThan(75);
  });

  it.each([
    ["every count 4,294,967,295", [0x2034, 0x207c, 0x2074, 0x202c, 0x206c], 0xffffffff],
    ["every offset 4,294,967,295", [0x2018, 0x201c, 0x2020, 0x2024, 0x2028, 0x2030, 0x2070, 0x2078], 0xffffffff],
    ["every offset at the dump's own index", [0x2018, 0x201c, 0x2020, 0x2024, 0x2028, 0x2030, 0x2070, 0x2078], 0x2000],
    ["every offset zero", [0x2018, 0x201c, 0x2020, 0x2024, 0x2028, 0x2030, 0x2070, 0x2078], 0],
  ] as const)("%s", (_what, fields, value) => {
    const bytes = real();
    for (const at of fields) new DataView(bytes.buffer).setUint32(at, value, true);
    const { dump, bytesRead } = survey(bytes)!;
    expect(dump.problems).not.toEqual([]);
    expect(bytesRead).toBeLessThan(bytes.length * 8);
  });

  it("a tail of zeros behind the secondary data is no damage: the writer at the next boot leaves one", () => {
    const whole = real();
    const padded = new Uint8Array(whole.length + 5000);
    padded.set(whole);
    const [plain, tailed] = [opened(whole), opened(padded)];
    if (plain.header.kind !== "windows" || tailed.header.kind !== "windows") throw new Error("not a Windows dump");
    expect(tailed).toMatchObject({ complete: true, problems: [] });
    expect(tailed.header.triage!.secondary).toEqual(plain.header.triage!.secondary);
  });

  it("secondary records that lead back, run on, or are as small as can be end the walk", () => {
    const whole = real();
    const start = new DataView(whole.buffer).getUint32(0x2004, true);
    for (const [headerSize, dataSize, postPad] of [
      [0x20, 0xffffffff, 0],
      [0xffffffff, 0, 0],
      [0x20, 0, 0xffffffff],
      [1, 0, 0],
      [0x20, 0, 0],
    ] as const) {
      const bytes = whole.slice();
      const view = new DataView(bytes.buffer);
      for (let at = start + 0x10; at + 0x20 <= bytes.length; at += 0x20) {
        view.setUint32(at, headerSize, true);
        view.setUint32(at + 0x14, dataSize, true);
        view.setUint32(at + 0x18, 0, true);
        view.setUint32(at + 0x1c, postPad, true);
      }
      const { header } = opened(bytes);
      if (header.kind !== "windows") throw new Error("not a Windows dump");
      expect(header.triage!.secondary.length).toBeLessThanOrEqual(10_000);
      expect(header.triage!.drivers.length).toBeGreaterThan(100);
    }
  });
});

describe("hostile page maps", () => {
  const full = () =>
    imageBytes(windowsFullDump({ header: sampleHeader(), pages: samplePages(1, [{ firstPage: 5, pageCount: 9 }]) }));
  const bitmap = (firstPage: bigint, bits: bigint, set: bigint, signature = "SDMPDUMP") => {
    const bytes = full();
    const file = Buffer.from(bytes.buffer);
    file.writeUInt32LE(5, 0xf98);
    file.fill(0xff, 0x2000);
    file.write(signature, 0x2000, "latin1");
    file.writeBigUInt64LE(firstPage, 0x2020);
    file.writeBigUInt64LE(set, 0x2028);
    file.writeBigUInt64LE(bits, 0x2030);
    return bytes;
  };
  const runs = (count: number, base: bigint, pages: bigint) => {
    const bytes = full();
    const file = Buffer.from(bytes.buffer);
    file.writeUInt32LE(count, 0x88);
    for (let run = 0; run < 43; run++) {
      file.writeBigUInt64LE(base, 0x98 + run * 16);
      file.writeBigUInt64LE(pages, 0xa0 + run * 16);
    }
    return bytes;
  };
  const max = 2n ** 64n - 1n;

  it.each([
    ["more runs than fit", runs(0xffffffff, 0n, 1n)],
    ["no run", runs(0, 0n, 1n)],
    ["runs at the end of the address space", runs(5, max, max)],
    ["runs longer than any memory", runs(5, 0n, 2n ** 52n)],
    ["43 times the same run", runs(43, 7n, 3n)],
    ["a bitmap of 2^64 bits", bitmap(0x3000n, max, 1n)],
    ["a bitmap of 2^32 bits", bitmap(0x3000n, 2n ** 32n, 1n)],
    ["a first page before the bitmap", bitmap(0n, 64n, 64n)],
    ["a first page one byte inside the bitmap", bitmap(0x2038n + 7n, 64n, 64n)],
    ["a first page at 2^64", bitmap(max, 64n, 64n)],
    ["a bitmap with more pages than the file", bitmap(0x3000n, 8000n, 8000n)],
    ["a bitmap with another count than it says", bitmap(0x3000n, 8n, max)],
    ["a bitmap without its mark", bitmap(0x3000n, 64n, 64n, "PAGEPAGE")],
  ])("%s: opens, says so, and reads no more than is there", (_what, bytes) => {
    const { dump, bytesRead } = survey(bytes)!;
    expect(dump.problems.length).toBeGreaterThan(0);
    expect(dump.problems.length).toBeLessThan(10);
    for (const { message, offset } of dump.problems) {
      expect(message).not.toBe("");
      expect(offset).toBeLessThanOrEqual(bytes.length);
    }
    expect(dump).toMatchObject({ complete: false, stopCode: { code: 0xd8 } });
    expect(bytesRead).toBeLessThanOrEqual(bytes.length);
  });
});

describe("a bitmap that promises millions of pages in a file that holds none", () => {
  it("hands out no runs for them", () => {
    const bits = 2 ** 22;
    const file = Buffer.alloc(0x2038 + bits / 8, 0x55);
    file.set(sampleHeader());
    file.writeUInt32LE(6, 0xf98);
    file.write("FDMPDUMP", 0x2000, "latin1");
    file.writeBigUInt64LE(BigInt(file.length), 0x2020);
    file.writeBigUInt64LE(BigInt(bits / 2), 0x2028);
    file.writeBigUInt64LE(BigInt(bits), 0x2030);
    const dump = opened(new Uint8Array(file));
    if (dump.memory.kind !== "physical") throw new Error("a physical dump was expected");
    expect(dump).toMatchObject({ pages: bits / 2, complete: false, problems: [{ code: "truncated" }] });
    expect(dump.memory.runs()).toEqual([]);
    expect(dump.memory.pageState(0)).toBe("absent");
  });
});

describe("what is not read is refused by name", () => {
  const ofType = (type: number) => {
    const header = Buffer.from(sampleHeader());
    header.writeUInt32LE(type, 0xf98);
    return new Uint8Array(header);
  };
  const failure = (bytes: Uint8Array): StopcodeError => {
    try {
      openWindowsDump(bytesFile(bytes));
    } catch (error) {
      if (error instanceof StopcodeError) return error;
      throw error;
    }
    throw new Error("it opened");
  };

  it.each([
    [2, "summary dump"],
    [3, "only a header"],
    [7, "automatic"],
    [8, "RDMP"],
    [9, "RDMP"],
    [10, "RDMP"],
  ])("dump type %i: %s", (type, kind) => {
    const error = failure(ofType(type));
    expect(error).toMatchObject({
      code: "dump/unsupported-type",
      where: { file: "sample.dmp", offset: 0xf98 },
      exitCode: 3,
    });
    expect(error.message).toContain(kind);
    expect(error.hint).toBeTruthy();
  });

  it.each([0, 11, 0x45474150, 0xffffffff])(
    "dump type %i, which does not exist, with what was expected and found",
    (type) => {
      const error = failure(ofType(type));
      expect(error).toMatchObject({ code: "dump/bad-header", where: { offset: 0xf98 } });
      expect(error.message).toContain(`expected dump type 1, 4, 5 or 6, found ${type}`);
    },
  );

  it("a 32-bit dump, a file that is none, and one that ends in its header", () => {
    const bits32 = new Uint8Array(Buffer.concat([Buffer.from("PAGEDUMP"), Buffer.alloc(0x3000)]));
    expect(failure(bits32)).toMatchObject({
      code: "dump/unsupported-type",
      message: expect.stringContaining("32-bit"),
    });
    expect(failure(new Uint8Array(0x4000))).toMatchObject({ code: "dump/unknown-kind", where: { offset: 0 } });
    expect(failure(new Uint8Array(0))).toMatchObject({ code: "dump/unknown-kind" });
    expect(failure(sampleHeader().subarray(0, 0x1fff))).toMatchObject({
      code: "dump/truncated",
      where: { offset: 0x1fff },
    });
  });
});

withPeers({ data: "windows/fuzz" }).describe("the malformed minidumps of other projects", () => {
  const folder = sharedData("windows/fuzz");
  const names = () => readdirSync(folder);

  withPeers({ data: "windows/fuzz" }).it(
    "all eleven are refused by name, none opens and none crashes the reader",
    async () => {
      expect(names()).toHaveLength(11);
      for (const name of names()) {
        await expect(openDump(`${folder}/${name}`)).rejects.toMatchObject({
          name: "StopcodeError",
          message: expect.stringContaining("minidump"),
        });
        expect(() => openWindowsDump(openDumpFile(`${folder}/${name}`))).toThrow(StopcodeError);
      }
    },
  );
});
