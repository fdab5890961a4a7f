import { spawnSync } from "node:child_process";
import { crc32 } from "node:zlib";
import { PAGE_SIZE } from "../../src/binary/index.ts";
import type { Dump } from "../../src/dumpfile/index.ts";

/** What libkdumpfile reads in a dump. */
export interface PeerReading {
  readonly format: string;
  /** Empty for QEMU's kdump files: their utsname is blank, so libkdumpfile does not take them for Linux. */
  readonly processors: readonly { readonly pid: number; readonly registers: Readonly<Record<string, string>> }[];
  /** Pages in the file. */
  readonly pageCount: number;
  /** Page frame and CRC-32 of every page, or of every n-th. */
  readonly pages: readonly (readonly [pfn: number, crc: number])[];
}

/** @param step reads every n-th page only */
export function readByKdumpfile(path: string, step = 1): PeerReading {
  const script = new URL("kdumpfile-peer.py", import.meta.url).pathname;
  const { stdout, stderr, status } = spawnSync("/usr/bin/python3", [script, path, `${step}`], { maxBuffer: 2 ** 28 });
  if (status !== 0) throw new Error(`libkdumpfile refused ${path}: ${stderr}`);
  return JSON.parse(stdout.toString());
}

/** The same of a dump that this project has open, read in pieces of up to 256 pages. */
export function pagesOf(dump: Dump): [pfn: number, crc: number][] {
  if (dump.memory.kind !== "physical") throw new Error("no physical memory");
  const pages: [number, number][] = [];
  for (const { firstPage, pageCount } of dump.memory.runs())
    for (let done = 0; done < pageCount; done += 256) {
      const some = Math.min(256, pageCount - done);
      const bytes = dump.memory.read((firstPage + done) * PAGE_SIZE, some * PAGE_SIZE);
      for (let page = 0; page < some; page++)
        pages.push([firstPage + done + page, crc32(bytes.subarray(page * PAGE_SIZE, (page + 1) * PAGE_SIZE))]);
    }
  return pages;
}

/** How many pages differ, and the first of them: a short answer instead of a diff of 20,000 lines. */
export function difference(ours: readonly (readonly number[])[], theirs: readonly (readonly number[])[]) {
  const other = new Map(theirs.map(([pfn, crc]) => [pfn!, crc!]));
  const wrong = ours.filter(([pfn, crc]) => other.get(pfn!) !== crc).map(([pfn]) => pfn);
  return { pages: ours.length - theirs.length, differing: wrong.length, first: wrong[0] };
}

export const NO_DIFFERENCE = { pages: 0, differing: 0, first: undefined };

const PEER_NAMES: Record<string, string> = { fs_base: "fsBase", gs_base: "gsBase" };

/** libkdumpfile's registers under this project's names. */
export function peerRegisters({ registers }: PeerReading["processors"][number]): Record<string, bigint> {
  const known = Object.entries(registers).filter(([name]) => name !== "orig_rax");
  return Object.fromEntries(known.map(([name, value]) => [PEER_NAMES[name] ?? name, BigInt(value)]));
}
