import { StopcodeError } from "../binary/index.ts";
import type { DumpFile } from "./file.ts";

/** What a file that can be opened begins with. */
export type DumpKind = "windows" | "elf" | "kdump" | "flattened" | "gzip";

/** First bytes, as Latin-1 text, of what is opened. */
const READABLE: readonly (readonly [magic: string, kind: DumpKind])[] = [
  ["PAGEDU64", "windows"],
  ["PAGEDUMP", "windows"],
  ["\x7fELF", "elf"],
  ["KDUMP   ", "kdump"],
  ["makedumpfile\0\0\0\0", "flattened"],
  ["\x1f\x8b", "gzip"],
];

/** First bytes of what is known by name and not opened, and what to do with it. */
const REFUSED: readonly (readonly [magic: string, name: string, hint: string])[] = [
  [
    "MDMP",
    "a minidump of a user process",
    "rust-minidump or WinDbg reads it; a machine's own minidump begins with PAGEDU64",
  ],
  ["\x28\xb5\x2f\xfd", "compressed with zstd", "unpack it first: `zstd -d FILE`"],
  ["\xfd7zXZ\0", "compressed with xz", "unpack it first: `xz -dk FILE`"],
  ["BZh", "compressed with bzip2", "unpack it first: `bzip2 -dk FILE`"],
  ["\x04\x22\x4d\x18", "compressed with lz4", "unpack it first: `lz4 -d FILE`"],
  ["7z\xbc\xaf\x27\x1c", "a 7-Zip archive", "unpack it and name the dump inside: `7z x FILE`"],
  ["PK\x03\x04", "a zip archive", "unpack it and name the dump inside: `unzip FILE`"],
  ["MSCF", "a cabinet archive", "unpack it and name the dump inside: `cabextract FILE`"],
  ["DISKDUMP", "a diskdump of Linux 2.4 or 2.6", "crash(8) can read it"],
  ["EMiL", "a LiME memory image", "it holds no registers; crash(8) or volatility can read it"],
  ["QEVM", "a saved state of QEMU (migration stream)", "restore it, then take a dump with QMP's dump-guest-memory"],
  ["HIBR", "a Windows hibernation file", "it is no crash dump; volatility can read it"],
  ["hibr", "a Windows hibernation file", "it is no crash dump; volatility can read it"],
];

const WANTED =
  "readable are Windows kernel dumps, ELF vmcores, kdump files plain or flattened, and all of them in gzip";

const startsWith = (data: Buffer, magic: string) => data.toString("latin1", 0, magic.length) === magic;

/** The kind of a dump by its first bytes; null when they are of no known kind. */
export function kindOf(first: Uint8Array): DumpKind | null {
  const data = Buffer.from(first.buffer, first.byteOffset, first.byteLength);
  return READABLE.find(([magic]) => startsWith(data, magic))?.[1] ?? null;
}

/**
 * The kind of a file that can be opened.
 * @throws StopcodeError `dump/empty`, `dump/unsupported-kind` with the kind's name and what to do with it, or
 *   `dump/unknown-kind`
 */
export function recognise(file: Pick<DumpFile, "path" | "bytes">, first: Uint8Array): DumpKind {
  const where = { file: file.path, offset: 0 };
  if (first.length === 0)
    throw new StopcodeError("dump/empty", "the file is empty", {
      where,
      hint: "QEMU leaves an empty file when a dump fails: take it again, and read what DUMP_COMPLETED says",
    });
  const kind = kindOf(first);
  if (kind) return kind;
  const data = Buffer.from(first.buffer, first.byteOffset, first.byteLength);
  const refused = REFUSED.find(([magic]) => startsWith(data, magic));
  if (refused)
    throw new StopcodeError("dump/unsupported-kind", `this is ${refused[1]}, which is not read`, {
      where,
      hint: refused[2],
    });
  if (looksRaw(data))
    throw new StopcodeError("dump/unsupported-kind", "this is a raw image of a PC's memory, which is not read", {
      where,
      hint: "it names neither its page map nor its registers: take an ELF or kdump dump with QMP's dump-guest-memory",
    });
  const shown = data
    .subarray(0, 16)
    .toString("hex")
    .replace(/(..)(?=.)/g, "$1 ");
  throw new StopcodeError("dump/unknown-kind", `no dump of a known kind begins with ${shown}`, { where, hint: WANTED });
}

/**
 * Whether these bytes are the start of a PC's physical memory: a real-mode interrupt table whose vectors point into
 * the BIOS. Operating systems leave most of it as the BIOS set it up.
 */
function looksRaw(data: Buffer): boolean {
  let intoBios = 0;
  for (let vector = 0; vector < 64 && vector * 4 + 4 <= data.length; vector++)
    if (data.readUInt16LE(vector * 4 + 2) === 0xf000) intoBios++;
  return intoBios >= 16;
}
