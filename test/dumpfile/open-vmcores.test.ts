import { spawnSync } from "node:child_process";
import {
  copyFileSync,
  createReadStream,
  createWriteStream,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { afterAll, beforeAll, expect } from "vitest";
import { type Dump, openDump } from "../../src/dumpfile/index.ts";
import { sharedData, withPeers } from "../peers.ts";
import {
  difference,
  NO_DIFFERENCE,
  type PeerReading,
  pagesOf,
  peerRegisters,
  readByKdumpfile,
} from "./kdumpfile-peer.ts";

interface Fixture {
  readonly file: string;
  readonly origin: string;
  readonly container: string;
  readonly bytes: number;
  readonly page_compression: string | null;
  readonly dump_level: number;
  readonly release: string;
  readonly version: string;
  readonly nodename: string;
  readonly kernel_offset: string;
  readonly phys_base: string;
  readonly cpus: number;
  readonly note_cpus: readonly {
    readonly note_pid: number;
    readonly rip: string;
    readonly rsp: string;
    readonly cs: string;
    readonly cr3: string | null;
    readonly gs_base: string | null;
  }[];
  readonly format_facts: string;
}

const NAMES = [
  "qemu-null-6.1.kdump",
  "mkdf-list-6.12.d31.kdump",
  "qemu-oom-6.1cloud.elf.gz",
  "kexec-null-6.1.d31.snappy.kdump",
  "qemu-live-6.12cloud.kdump",
  "mkdf-initexit-6.1cloud.d31.zstd.kdump",
];

const folder = mkdtempSync(join(tmpdir(), "stopcode-test-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** A form of the dump that libkdumpfile can read: it knows neither gzip nor the flattened form. */
async function forPeer(name: string, container: string): Promise<string> {
  const source = sharedData(`linux/${name}`);
  const plain = join(folder, name);
  if (name.endsWith(".gz")) await pipeline(createReadStream(source), createGunzip(), createWriteStream(plain));
  else if (container.endsWith("flattened")) {
    const { status } = spawnSync("makedumpfile", ["-R", plain], { stdio: [openSync(source, "r"), "ignore", "ignore"] });
    if (status !== 0) throw new Error(`makedumpfile -R: ${status}`);
  } else return source;
  return plain;
}

withPeers({ data: "linux/expected.json" }, { python: "kdumpfile" }, { program: "makedumpfile" }).describe.each(NAMES)(
  "%s",
  (name) => {
    let fixture: Fixture;
    let dump: Dump;
    let peer: PeerReading;
    beforeAll(async () => {
      const { fixtures } = JSON.parse(readFileSync(sharedData("linux/expected.json"), "utf8"));
      fixture = fixtures.find(({ file }: Fixture) => file === name);
      peer = readByKdumpfile(await forPeer(name, fixture.container));
      dump = await openDump(sharedData(`linux/${name}`));
    });
    afterAll(() => dump.close());

    const { it } = withPeers();

    it("is recognised by its content: container, compression, dump level, size", () => {
      const formats: Record<string, string> = {
        elf: "elf-vmcore",
        "kdump-compressed": "kdump",
        "kdump-compressed, flattened": "kdump-flattened",
      };
      expect(dump.format).toBe(formats[fixture.container]);
      expect(dump.bytes).toBe(fixture.bytes);
      expect(dump).toMatchObject({ arch: "x86_64", complete: true, problems: [], stopCode: null });
      if (dump.header.kind !== "kdump") return expect(fixture.page_compression).toBeNull();
      const { kdump } = dump.header;
      expect(kdump.compression).toBe(fixture.page_compression);
      expect(kdump.processors).toBe(fixture.cpus);
      // The dump level of the file; QEMU writes 1 though it leaves nothing out.
      expect(kdump.dumpLevel).toBe(Number(/level=(\d+)/.exec(fixture.format_facts)![1]));
      // QEMU leaves utsname blank but for the machine.
      const blank = fixture.container.endsWith("flattened");
      expect(kdump.uname).toEqual({
        system: blank ? "" : "Linux",
        node: blank ? "" : fixture.nodename,
        release: blank ? "" : fixture.release,
        version: blank ? "" : fixture.version,
        machine: "x86_64",
      });
    });

    it("carries the VMCOREINFO that the kernel wrote", () => {
      const text = dump.header.kind === "windows" ? null : dump.header.vmcoreinfo;
      const values = new Map(text?.split("\n").map((line) => line.split("=", 2) as [string, string]));
      expect(values.get("OSRELEASE")).toBe(fixture.release);
      expect(`0x${values.get("KERNELOFFSET")}`).toBe(fixture.kernel_offset);
      expect(BigInt.asUintN(64, BigInt(values.get("NUMBER(phys_base)")!))).toBe(BigInt(fixture.phys_base));
    });

    it("has the registers of every processor", () => {
      expect(dump.cpus).toHaveLength(fixture.cpus);
      for (const [index, { registers, pid }] of dump.cpus.entries()) {
        const expected = fixture.note_cpus[index]!;
        const known = {
          rip: expected.rip,
          rsp: expected.rsp,
          cs: expected.cs,
          cr3: expected.cr3,
          gsBase: expected.gs_base,
        };
        for (const [register, value] of Object.entries(known))
          expect([register, registers[register]]).toEqual([register, value === null ? undefined : BigInt(value)]);
        expect(pid).toBe(expected.note_pid);
        if (peer.processors.length === 0) continue;
        const { gsBase, ...others } = peerRegisters(peer.processors[index]!);
        expect(registers).toMatchObject(others);
        expect(registers[fixture.origin.startsWith("kexec") ? "kernelGsBase" : "gsBase"]).toBe(gsBase);
      }
    });

    it("holds the pages that libkdumpfile reads, byte for byte", () => {
      expect(dump.pages).toBe(peer.pages.length);
      expect(difference(pagesOf(dump), peer.pages)).toEqual(NO_DIFFERENCE);
    });
  },
);

withPeers({ data: "linux/expected.json" }, { python: "kdumpfile" }, { program: "makedumpfile" }).it(
  "LZO: a dump recompressed with makedumpfile -l holds the pages that libkdumpfile reads",
  async () => {
    const path = join(folder, "lzo.kdump");
    const source = join(folder, "source.kdump");
    copyFileSync(sharedData("linux/mkdf-list-6.12.d31.kdump"), source);
    expect(spawnSync("makedumpfile", ["-l", "-d", "31", source, path]).status).toBe(0);
    const dump = await openDump(path);
    expect(dump.header).toMatchObject({ kdump: { compression: "lzo" } });
    expect(difference(pagesOf(dump), readByKdumpfile(path).pages)).toEqual(NO_DIFFERENCE);
    dump.close();
  },
);
