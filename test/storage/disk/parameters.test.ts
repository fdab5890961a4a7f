import { writeFileSync } from "node:fs";
import { afterAll, describe, expect, it } from "vitest";
import { StopcodeError } from "../../../src/binary/index.ts";
import { readDisk, seekTable } from "../../../src/storage/index.ts";
import { temporaryFolder } from "../../stopcode.ts";

const folder = temporaryFolder();
afterAll(() => folder.remove());

const overheads = [
  ...["Read", "Write"].flatMap((kind) =>
    ["hit", "miss"].flatMap((how) => ["read", "write"].map((before) => `${kind} ${how} over. after ${before}`)),
  ),
  "Data preparation overhead",
  "Read completion overhead",
  "Write completion overhead",
  "First reselect overhead",
  "Other reselect overhead",
  "Write disconnect overhead",
  "Extra write disconnect",
  "Extradisc disconnect overhead",
  "Extradisc inter-disconnect delay",
  "Extradisc 2nd disconnect overhead",
  "Extradisc seek delta",
  "Minimum seek delay",
  "Per-request overhead time",
  "Time scale for overheads",
  "Enable caching in buffer",
  "Buffer continuous read",
  "Maximum read-ahead (blks)",
  "Read-ahead over requested",
  "Read any free blocks",
  "Allow read hits on write data",
  "Allow write prebuffering",
  "Use separate write segment",
  "Fast write level",
  "Immediate buffer read",
  "Immediate buffer write",
  "Stop prefetch in sector",
  "High (read) water mark",
];

const SPECS = `# a disk of our own
source bus.specs
disksim_disk SMALL {
   Model = source small.model,
   Bulk sector transfer time = 0.05,
   Number of buffer segments = 2, Maximum number of write segments = 1,
   Segment size (in blks) = 64,
${overheads.map((key) => `   ${key} = 0`).join(",\n")}
} # end of SMALL
instantiate [ disk0, disk1 ] as SMALL
topology disksim_iodriver driver0 [ disksim_bus bus0 [ disksim_disk disk0 [] ] ]
`;
const BUS = "disksim_bus B { type = 1, Read block transfer time = 0.07, Write block transfer time = 0.02 }\n";
const MODEL = `dm_disk SMALL_model {
  Number of data surfaces = 2, Number of cylinders = 10, Block count = 300,
  Mechanical Model = dm_mech_g1 {
    Access time type = trackSwitchPlusRotation,
    Seek type = extracted,
    Full seek curve = small.seek,
#   Seek type = constant,
    Add. write settling delay = 0.5,
    Head switch time = 0.25,
    Rotation speed (in rpms) = 6000
  },
  Layout Model = dm_layout_g1 {
    LBN-to-PBN mapping scheme = 0, Sparing scheme used = 9, Rangesize for sparing = 1,
    Zones = [
      dm_layout_g1_zone { # the only one
        First cylinder number = 0, Last cylinder number = 9, Blocks per track = 20,
        Offset of first block = 0.0, Empty space at zone front = 3, Skew for track switch = 4.0, Skew for cylinder switch = 5.0,
        Number of spares = 2,
        slips =
          [ 9, 7 ],
        defects = [ ]
      }
    ]
  }
}
`;
const SEEK = "Seek distances measured: 3\n1,\t1.0\n3, 2.0\n9,\t5.0\n";

function disk(changes: { specs?: string; bus?: string; model?: string; seek?: string } = {}): string {
  writeFileSync(folder.in("small.specs"), changes.specs ?? SPECS);
  writeFileSync(folder.in("bus.specs"), changes.bus ?? BUS);
  writeFileSync(folder.in("small.model"), changes.model ?? MODEL);
  writeFileSync(folder.in("small.seek"), changes.seek ?? SEEK);
  return folder.in("small.specs");
}

function refusalOf(read: () => unknown): StopcodeError {
  try {
    read();
  } catch (error) {
    if (error instanceof StopcodeError) return error;
    throw error;
  }
  return expect.fail("it was read");
}

describe("DiskSim's parameter files", () => {
  it("make a disk, with what they source, past comments, lists over lines and what hangs parts together", () => {
    expect(readDisk(disk())).toMatchObject({
      name: "SMALL",
      surfaces: 2,
      cylinders: 10,
      sectors: 300,
      rotation: 10,
      headSwitch: 0.25,
      writeSettling: 0.5,
      transfer: { read: 0.07, write: 0.05 },
      layout: { zones: [{ emptySectors: 3, trackSkew: 4, cylinderSkew: 5, spares: 2, slips: [7, 9], remapped: [] }] },
    });
  });

  it("name a seek curve, between whose points seeks lie on a line, and beyond the last on that of the last two", () => {
    expect([...seekTable(readDisk(disk()).seek, 12)]).toEqual([0, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5, 5.5, 6]);
  });

  it.each([
    ["a file that is not there", { specs: "source nowhere.specs\n" }, "disk/unreadable", {}],
    ["a file that names itself", { specs: "source small.specs\n" }, "disk/syntax", { line: 1 }],
    ["no disk", { specs: "source bus.specs\n" }, "disk/parameters", {}],
    ["a block that does not end", { specs: "disksim_disk A {\n  a = 1,\n" }, "disk/syntax", { line: 3, column: 1 }],
    ["a list without commas", { specs: "disksim_disk A {\n  a = [ 1\n 2 ]\n}" }, "disk/syntax", { line: 3, column: 2 }],
    ["a text that is none of it", { specs: "hello world" }, "disk/syntax", { line: 1, column: 12 }],
    [
      "a value that is missing",
      { model: MODEL.replace("Number of data surfaces = 2,", "") },
      "disk/parameters",
      { line: 1 },
    ],
    [
      "a zone that ends before it begins",
      { model: MODEL.replace("Last cylinder number = 9", "Last cylinder number = -1") },
      "disk/parameters",
      {},
    ],
    ["a seek curve that goes back", { seek: "1, 1.0\n1, 2.0\n" }, "disk/syntax", { line: 2 }],
    ["an empty seek curve", { seek: "Seek distances measured: 0\n" }, "disk/syntax", {}],
  ] as const)("are refused where they say %s, with the place and what to do", (_, changes, code, where) => {
    const refusal = refusalOf(() => readDisk(disk(changes)));
    expect(refusal.code).toBe(code);
    expect(refusal.where).toMatchObject(where);
    expect(refusal.hint).toBeTruthy();
  });
});
