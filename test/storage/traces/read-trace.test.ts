import { writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { afterAll, describe, expect, it } from "vitest";
import { StopcodeError } from "../../../src/binary/index.ts";
import { readBlockTrace } from "../../../src/storage/index.ts";
import { sharedData, withPeers } from "../../peers.ts";
import { temporaryFolder } from "../../stopcode.ts";
import { srt } from "./hp-srt.ts";

const folder = temporaryFolder();
afterAll(() => folder.remove());

function fileOf(content: string | Uint8Array): string {
  writeFileSync(folder.in("a.trace"), content);
  return folder.in("a.trace");
}

function refusalOf(content: string | Uint8Array): StopcodeError {
  try {
    readBlockTrace(fileOf(content));
  } catch (error) {
    if (error instanceof StopcodeError) return error;
    throw error;
  }
  return expect.fail("it was read");
}

function vscsi(
  records: readonly { command: number; bytes: number; block: number; microseconds: number }[],
): Uint8Array {
  const view = new DataView(new ArrayBuffer(records.length * 32));
  for (const [index, { command, bytes, block, microseconds }] of records.entries()) {
    view.setUint32(index * 32 + 4, bytes, true);
    view.setUint16(index * 32 + 12, command, true);
    view.setUint16(index * 32 + 14, 0x100, true);
    view.setBigUint64(index * 32 + 16, BigInt(block), true);
    view.setBigUint64(index * 32 + 24, BigInt(microseconds), true);
  }
  return new Uint8Array(view.buffer);
}

const read = { write: false, device: 0, isSwap: false };

/** As blkparse 1.3 prints a remapped read, a write, a flush without data and a discard, from queue to completion. */
const BLKPARSE_EVENTS = `  8,1    0        1     0.000000000   697  A   R 2112 + 8 <- (8,1) 64
  8,0    0        2     0.000001000   697  Q   R 2112 + 8 [cp]
  8,0    0        3     0.000002000   697  G   R 2112 + 8 [cp]
  8,0    0        4     0.000002500   697  P   N [cp]
  8,0    0        5     0.000003000   697  I   R 2112 + 8 (    1000) [cp]
  8,0    0        6     0.000003500   697  U   N [cp] 1
  8,0    0        7     0.000004000   697  D   R 2112 + 8 (    1000) [cp]
  8,16   0        8     0.005001000   697  Q  WS 5000 + 16 [cp]
  8,16   0        9     0.005001500   697  X  WS 5000 / 5008 [cp]
  8,16   0       10     0.005002000   697  D  WS 5000 + 16 [cp]
  8,0    0       11     0.006000000   697  C   R 2112 + 8 ( 5996000) [0]
  8,0    0       12     0.006500000   697  Q  FW [cp]
  8,0    0       13     0.007000000   697  Q   D 9000 + 2048 [cp]
  8,16   0       14     0.008000000   697  C  WS 5000 + 16 [0]
  8,0    0        0     0.008100000     0  m   N cfq alive
`;
const BLKPARSE_SUMMARY = `CPU0 (x):
 Reads Queued:           1,        4KiB\t Writes Queued:           3,     1032KiB
 IO unplugs:             1        \t Timer unplugs:           0

Throughput (R/W): 500KiB/s / 1000KiB/s
Events (x): 15 entries
Skips: 0 forward (0 -   0.0%)
Input file x.blktrace.0 added
`;
const blkparseOf = (...actions: readonly string[]) =>
  BLKPARSE_EVENTS.split("\n")
    .filter((line) => actions.includes(line.trim().split(/\s+/)[5]!))
    .join("\n");
const QUEUED = [
  { ...read, arrival: 0, sector: 2112, sectors: 8 },
  { ...read, arrival: 5, sector: 5000, sectors: 16, write: true, device: 1 },
];

describe("traces of block requests", () => {
  it.each([
    [
      "DiskSim ascii",
      "13.5\t30\t100\t5\t1\n14.5 20 200 6 0\n",
      [
        { ...read, arrival: 0, sector: 100, sectors: 5 },
        { ...read, arrival: 1, sector: 200, sectors: 6, write: true, device: 1 },
      ],
    ],
    [
      "MQSim text",
      "3000000 4 264719034 16 0\n1000000 4 8 8 1\n",
      [
        { ...read, arrival: 0, sector: 8, sectors: 8 },
        { ...read, arrival: 2, sector: 264_719_034, sectors: 16, write: true },
      ],
    ],
    [
      "fio iolog",
      "fio version 2 iolog\n/dev/sda add\n/dev/sda open\n/dev/sda read 4096 4096\n/dev/sda wait 2000 0\n/dev/sda write 512 1\n/dev/sda sync\n",
      [
        { ...read, arrival: 0, sector: 8, sectors: 8 },
        { ...read, arrival: 2, sector: 1, sectors: 1, write: true },
      ],
    ],
    [
      "fio iolog",
      // As fio 3.33 wrote it with --rate_iops=100.
      "fio version 3 iolog\n145 /data/f add\n573 /data/f open\n594 /data/f write 61440 4096\n10525 /data/f read 880640 1024\n290716 /data/f close\n",
      [
        { ...read, arrival: 0, sector: 120, sectors: 8, write: true },
        { ...read, arrival: expect.closeTo(9.931, 9), sector: 1720, sectors: 2 },
      ],
    ],
    ["blkparse", `${BLKPARSE_EVENTS}${BLKPARSE_SUMMARY}`, QUEUED],
    // By -s, programs come before processors; a trace that was cut off has neither.
    ["blkparse", `${BLKPARSE_EVENTS}cp (697)\n Reads Queued:  1, 4KiB\n\n${BLKPARSE_SUMMARY}`, QUEUED],
    ["blkparse", BLKPARSE_EVENTS, QUEUED],
    // Taken by `blktrace -a issue -a complete`, and of completions alone.
    [
      "blkparse",
      blkparseOf("D", "C"),
      QUEUED.map((one, at) => ({ ...one, arrival: [0, expect.closeTo(4.998, 9)][at] })),
    ],
    ["blkparse", blkparseOf("C"), QUEUED.map((one, at) => ({ ...one, arrival: [0, 2][at] }))],
    [
      "vscsi",
      vscsi([
        { command: 0x28, bytes: 4096, block: 77, microseconds: 1000 },
        { command: 0x2a, bytes: 512, block: 2 ** 33, microseconds: 3500 },
      ]),
      [
        { ...read, arrival: 0, sector: 77, sectors: 8 },
        { ...read, arrival: 2.5, sector: 2 ** 33, sectors: 1, write: true },
      ],
    ],
    ["HP srt", srt([{ device: 0x0800_0008, flags: 1 }]), [{ ...read, arrival: 0, sector: 50, sectors: 16 }]],
    [
      "HP srt",
      srt([{ device: 0x0800_000e, flags: 0 }]),
      [{ ...read, arrival: 0, sector: 50, sectors: 16, write: true, isSwap: true }],
    ],
  ] as const)("of format %s are known by what is in them, and read", (format, content, requests) => {
    const trace = readBlockTrace(fileOf(content));
    expect(trace.format).toBe(format);
    expect(trace.requests).toEqual(requests);
    expect(readBlockTrace(fileOf(gzipSync(content))).requests).toEqual(requests);
  });

  it.each([
    ["trace/unknown", "hello\n", {}],
    ["trace/unknown", "", {}],
    ["trace/line", "1.0 0 1 1 1\n\n2.0 0 x 1 1\n", { line: 3, column: 1 }],
    ["trace/line", "1.0 0 1 0 1\n", { line: 1 }],
    ["trace/line", "fio version 2 iolog\n/dev/sda read 0 0\n", { line: 2 }],
    ["trace/line", `${BLKPARSE_EVENTS}  8,0    0\n${BLKPARSE_SUMMARY}`, { line: 16 }],
    ["trace/empty", "fio version 3 iolog\n1 /dev/sda add\n", {}],
    [
      "trace/record",
      vscsi([
        { command: 0x28, bytes: 512, block: 0, microseconds: 0 },
        { command: 0x28, bytes: 100, block: 0, microseconds: 0 },
      ]),
      { offset: 32 },
    ],
    [
      "trace/record",
      srt([{ device: 8, flags: 1 }]).map((byte, at, { length }) => (at === length - 53 ? 57 : byte)),
      { offset: srt([{ device: 8, flags: 1 }]).length - 56 },
    ],
    ["trace/packed", gzipSync("1.0 0 1 1 1\n").subarray(0, 20), {}],
  ] as const)("are refused with %s where they are damaged", (code, content, where) => {
    const refusal = refusalOf(content);
    expect(refusal.code).toBe(code);
    expect(refusal.where).toMatchObject({ file: folder.in("a.trace"), ...where });
    expect(refusal.hint).toBeTruthy();
  });

  withPeers({ data: "traces/INDEX.md" }).it.each([
    // Counts of the index of the collection.
    ["libcachesim/cloudPhysicsIO.vscsi", "vscsi", 113_872, 46_974, 0],
    ["mqsim/tpcc-small.trace", "MQSim text", 6_999, undefined, 0],
    // The index counts ends of lines, and the last line has none.
    ["mqsim/wsrch-small.trace", "MQSim text", 24_783, undefined, 0],
    ["disksim-valid/ascii.trace", "DiskSim ascii", 100_000, undefined, 0],
    ["disksim-valid/ajw.1week.srt", "HP srt", 44_519, undefined, 1055 + 902 + 2267],
  ] as const)("of real machines are read whole: %s", (name, format, requests, reads, swap) => {
    const trace = readBlockTrace(sharedData(`traces/${name}`));
    expect(trace.format).toBe(format);
    expect(trace.requests).toHaveLength(requests);
    if (reads !== undefined) expect(trace.requests.filter(({ write }) => !write)).toHaveLength(reads);
    expect(trace.requests.filter(({ isSwap }) => isSwap)).toHaveLength(swap);
  });
});
