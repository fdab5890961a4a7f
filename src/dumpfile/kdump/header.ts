import { PAGE_SIZE, StopcodeError } from "../../binary/index.ts";
import type { Architecture, DumpProblem, KdumpHeader } from "../dump.ts";
import type { DumpFile } from "../file.ts";
import { compressionName } from "./compression.ts";
import { diskHeader, STATUS_INCOMPLETE, subHeader } from "./layouts.ts";

/** Sub-header versions from which on a field is there. */
const VERSION_LEVEL = 1;
const VERSION_SPLIT = 2;
const VERSION_VMCOREINFO = 3;
const VERSION_NOTES = 4;
const VERSION_ERASE_INFO = 5;
const VERSION_64_BIT = 6;

/** 16 TiB of memory, far above what the format is used for; page frames above are not read. */
const MOST_PAGES = 2 ** 32;

/** A part of the file that the header points at; null where it is absent. */
export interface Part {
  readonly offset: number;
  readonly bytes: number;
}

/** Where things stand in a kdump file, checked against each other but not against the file's end. */
export interface KdumpPlan {
  readonly kdump: KdumpHeader;
  readonly arch: Architecture;
  /** One past the last page frame. */
  readonly pages: number;
  /** The second bitmap: one bit a page frame, set when the page is in the file. */
  readonly storedBitmap: Part;
  readonly descriptors: number;
  readonly vmcoreinfo: Part | null;
  readonly notes: Part | null;
  readonly eraseInfo: Part | null;
  readonly markedIncomplete: boolean;
  readonly problems: readonly DumpProblem[];
}

/**
 * Reads header and sub-header of a kdump file.
 * @throws StopcodeError for the kinds that are not read (split, other page sizes, 32-bit) and for headers that
 *   contradict themselves
 */
export function readPlan(file: DumpFile): KdumpPlan {
  if (file.bytes < PAGE_SIZE + subHeader.size)
    throw new StopcodeError(
      "dump/truncated",
      `a kdump file's headers need ${PAGE_SIZE + subHeader.size} bytes, ${file.bytes} are there`,
      {
        where: { file: file.path, offset: 0 },
        hint: "the dump was cut off at its start: nothing of it can be read",
      },
    );
  const disk = diskHeader.read(file.read(0, diskHeader.size));
  checkPageSize(file, disk);
  const sub = subHeader.read(file.read(PAGE_SIZE, subHeader.size));
  const since = (version: number) => disk.version >= version;
  if (since(VERSION_SPLIT) && sub.split !== 0)
    throw new StopcodeError(
      "dump/kdump-split",
      "this file is one part of a dump that makedumpfile split into several",
      {
        where: { file: file.path, offset: PAGE_SIZE + subHeader.fields.split.offset },
        hint: "join the parts first: `makedumpfile --reassemble PART1 PART2 … WHOLE`",
      },
    );

  const problems: DumpProblem[] = [];
  const odd = (message: string, offset: number) => problems.push({ code: "bad-header-field", message, offset });
  const half = Math.floor(disk.bitmapBlocks / 2) * PAGE_SIZE;
  const claimed = since(VERSION_64_BIT) ? sub.maxPage : disk.maxPage;
  const pages = Math.min(claimed, half * 8, MOST_PAGES);
  if (pages < claimed)
    odd(
      `the bitmaps cover ${half * 8} page frames, the header names ${claimed}`,
      since(VERSION_64_BIT) ? PAGE_SIZE + subHeader.fields.maxPage.offset : diskHeader.fields.maxPage.offset,
    );
  const bitmaps = (1 + disk.subHeaderBlocks) * PAGE_SIZE;
  const part = (version: number, offset: number, bytes: number): Part | null =>
    since(version) && offset > 0 && bytes > 0 ? { offset, bytes } : null;
  return {
    kdump: {
      version: disk.version,
      uname: {
        system: disk.system,
        node: disk.node,
        release: disk.release,
        version: disk.versionText,
        machine: disk.machine,
      },
      timestamp: disk.seconds,
      dumpLevel: since(VERSION_LEVEL) ? sub.dumpLevel : 0,
      currentCpu: disk.currentCpu,
      processors: disk.processors,
      compression: compressionName(disk.status),
    },
    arch: architectureOf(disk.machine),
    pages,
    storedBitmap: { offset: bitmaps + half, bytes: Math.ceil(pages / 8) },
    descriptors: bitmaps + disk.bitmapBlocks * PAGE_SIZE,
    vmcoreinfo: part(VERSION_VMCOREINFO, sub.vmcoreinfoOffset, sub.vmcoreinfoBytes),
    notes: part(VERSION_NOTES, sub.noteOffset, sub.noteBytes),
    eraseInfo: part(VERSION_ERASE_INFO, sub.eraseInfoOffset, sub.eraseInfoBytes),
    markedIncomplete: (disk.status & STATUS_INCOMPLETE) !== 0,
    problems,
  };
}

function checkPageSize(file: DumpFile, disk: ReturnType<typeof diskHeader.read>): void {
  const { blockSize, subHeaderBlocks, machine } = disk;
  const refuse = (code: string, message: string, field: { offset: number }, hint: string) =>
    new StopcodeError(`dump/${code}`, message, { where: { file: file.path, offset: field.offset }, hint });
  if (/^(i[3-6]86|arm|armv7l|ppc|s390)$/.test(machine))
    throw refuse(
      "unsupported-class",
      `this is a dump of a 32-bit machine (${machine})`,
      diskHeader.fields.machine,
      "crash(8) can read it",
    );
  if (blockSize !== PAGE_SIZE) {
    const other = [8192, 16_384, 65_536].includes(blockSize);
    throw other
      ? refuse(
          "unsupported-page-size",
          `this dump has pages of ${blockSize} bytes`,
          diskHeader.fields.blockSize,
          "only 4 KiB pages are read; crash(8) can read it",
        )
      : refuse(
          "bad-header-field",
          `block_size is ${blockSize}`,
          diskHeader.fields.blockSize,
          "the header is damaged, or the dump is of a 32-bit or big-endian machine",
        );
  }
  if (subHeaderBlocks < 1)
    throw refuse(
      "bad-header-field",
      `sub_hdr_size is ${subHeaderBlocks} blocks`,
      diskHeader.fields.subHeaderBlocks,
      "the header is damaged: take the dump from its source again",
    );
}

function architectureOf(machine: string): Architecture {
  if (machine === "x86_64") return "x86_64";
  return machine === "aarch64" ? "arm64" : "unknown";
}
