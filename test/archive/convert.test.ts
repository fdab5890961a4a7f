import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { afterAll, describe, expect, it } from "vitest";
import { convertDump, type WritableFormat } from "../../src/archive/index.ts";
import { openDump } from "../../src/dumpfile/index.ts";
import { difference, NO_DIFFERENCE, pagesOf, readByKdumpfile } from "../dumpfile/kdumpfile-peer.ts";
import { sharedData, withPeers } from "../peers.ts";
import { fixture, stopcodeJson, temporaryFolder } from "../stopcode.ts";

const folder = temporaryFolder();
afterAll(() => folder.remove());

const convert = (source: string, format: WritableFormat, name: string) =>
  convertDump(source, { format, target: folder.in(name) });

describe("a dump written in another format", () => {
  /** The same crash of an emulated host, dumped in one format or another. */
  const dumped = (format: WritableFormat): string => {
    const text = readFileSync(fixture("scenarios/null-dereference-dispatch.yaml"), "utf8");
    const path = folder.in(`${format}.yaml`);
    writeFileSync(path, text.replace("  - name: print\n", `$&    dump: { format: ${format} }\n`));
    const report = stopcodeJson<{ dumps: { folder: string }[] }>(["host", "run", path], folder.in(`home-${format}`));
    return `${report.dumps[0]?.folder}/${format === "elf-vmcore" ? "vmcore.elf" : "memory.dmp"}`;
  };

  it("is the very dump that would have been written in that format at once", async () => {
    const source = dumped("elf-vmcore");
    for (const format of ["windows-bitmap", "windows-full"] as const) {
      await convert(source, format, `${format}.dmp`);
      expect(readFileSync(folder.in(`${format}.dmp`)).equals(readFileSync(dumped(format))), format).toBe(true);
    }
  });

  withPeers({ python: "kdumpfile" }, { data: "linux/mkdf-list-6.12.d31.kdump" }).it(
    "kdump to ELF: libkdumpfile finds every page as it was",
    async () => {
      const source = sharedData("linux/mkdf-list-6.12.d31.kdump");
      const { pages } = await convert(source, "elf-vmcore", "linux.elf");
      const dump = await openDump(source);
      const theirs = readByKdumpfile(folder.in("linux.elf"));
      expect(difference(pagesOf(dump), theirs.pages)).toEqual(NO_DIFFERENCE);
      expect(pages).toBe(dump.pages);
      dump.close();
      await expect(convert(source, "windows-full", "linux.dmp")).rejects.toMatchObject({
        code: "archive/no-windows-header",
      });
      expect(existsSync(folder.in("linux.dmp"))).toBe(false);
    },
  );

  withPeers({ data: "windows/rizin/triage_x64.dmp" }).it("is refused for a dump without a page map", async () => {
    await expect(convert(sharedData("windows/rizin/triage_x64.dmp"), "elf-vmcore", "no.elf")).rejects.toMatchObject({
      code: "archive/no-page-map",
    });
  });
});
