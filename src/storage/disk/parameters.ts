import { readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { z } from "zod";
import { StopcodeError } from "../../binary/index.ts";
import { isBlock, type ParameterBlock, readParameterFile } from "./parameter-file.ts";
import { parseSeekCurve, type SeekLaw, seekTime } from "./seek-curve.ts";

/**
 * What a zone is made of, in the words of DiskSim's `dm_layout_g1_zone`. Numbers of sectors where nothing else is said.
 * Source: DiskSim 4.0 reference manual, "Disk geometry".
 */
const Zone = z
  .object({
    "First cylinder number": z.int().min(0),
    "Last cylinder number": z.int().min(0),
    "Blocks per track": z.int().min(1),
    "Offset of first block": z.number().min(0),
    "Empty space at zone front": z.int().min(0),
    "Skew for track switch": z.number().min(0),
    "Skew for cylinder switch": z.number().min(0),
    "Number of spares": z.int().min(0),
    slips: z.array(z.int().min(0)),
    defects: z.array(z.int().min(0)),
  })
  .refine((zone) => zone["Last cylinder number"] >= zone["First cylinder number"], "the zone ends before it begins")
  .transform((zone) => ({
    firstCylinder: zone["First cylinder number"],
    lastCylinder: zone["Last cylinder number"],
    sectorsPerTrack: zone["Blocks per track"],
    firstSectorOffset: zone["Offset of first block"],
    emptySectors: zone["Empty space at zone front"],
    trackSkew: zone["Skew for track switch"],
    cylinderSkew: zone["Skew for cylinder switch"],
    spares: zone["Number of spares"],
    /** Places that are left out (tracks where whole tracks are spared, otherwise sectors), counted from the zone's front. */
    slips: zone.slips.toSorted((a, b) => a - b),
    /** Places whose data lies elsewhere: [defect, replacement, …]. */
    remapped: zone.defects,
  }));

export type ZoneParameters = z.infer<typeof Zone>;

/** `Sparing scheme used`: how far a defect pushes the data behind it, and where the room for it is kept. */
export const SPARING = {
  0: { unit: "zone", slips: "sectors", toEnd: true },
  1: { unit: "zone", slips: "tracks", toEnd: false },
  2: { unit: "cylinder", slips: "sectors", toEnd: false },
  3: { unit: "track", slips: "sectors", toEnd: false },
  4: { unit: "cylinder", slips: "sectors", toEnd: true },
  5: { unit: "cylinder", slips: "sectors", toEnd: false, atFront: true },
  6: { unit: "cylinder", slips: "sectors", toEnd: true, atFront: true },
  7: { unit: "zone", slips: "sectors", toEnd: true },
  8: { unit: "range", slips: "sectors", toEnd: false },
  9: { unit: "zone", slips: "sectors", toEnd: false },
  10: { unit: "zone", slips: "sectors", toEnd: true },
} as const satisfies Record<number, Sparing>;

export interface Sparing {
  /** What has spares of its own. */
  readonly unit: "track" | "cylinder" | "range" | "zone";
  readonly slips: "tracks" | "sectors";
  /** Slipped data is pushed on to the zone's end, and no spare is used for it. */
  readonly toEnd: boolean;
  /** The spares lie before the data of their unit. */
  readonly atFront?: boolean;
}

const Layout = z
  .object({
    "LBN-to-PBN mapping scheme": z.int().min(0).max(2),
    "Sparing scheme used": z.int().min(0).max(10),
    "Rangesize for sparing": z.int().min(1),
    Zones: z.array(Zone).min(1),
  })
  .transform((layout) => ({
    /** 0: every cylinder begins with the first head. 1, 2: every second one runs backwards (counted in the zone, on the disk). */
    mapping: layout["LBN-to-PBN mapping scheme"],
    sparing: SPARING[layout["Sparing scheme used"] as keyof typeof SPARING] as Sparing,
    rangeCylinders: layout["Rangesize for sparing"],
    zones: layout.Zones,
  }));

const Mechanics = z.object({
  "Seek type": z.enum(["constant", "hpl", "hplplus10", "extracted"]),
  "Add. write settling delay": z.number(),
  "Head switch time": z.number().min(0),
  "Rotation speed (in rpms)": z.number().positive(),
  "Single cylinder seek time": z.number().min(0).optional(),
  "Average seek time": z.number().min(0).optional(),
  "HPL seek equation values": z.array(z.number()).length(6).optional(),
  "First ten seek times": z.array(z.number().min(0)).length(10).optional(),
  "Full seek curve": z.string().optional(),
});

/** The way to the host; of several buses the slowest counts. Milliseconds of a sector. */
const Bus = z.object({
  "Read block transfer time": z.number().min(0),
  "Write block transfer time": z.number().min(0),
});

/** Milliseconds of the electronics' work at a request, by what the request is and what came before. */
const Overheads = z.object({
  "Read hit over. after read": z.number().min(0),
  "Read hit over. after write": z.number().min(0),
  "Read miss over. after read": z.number().min(0),
  "Read miss over. after write": z.number().min(0),
  "Write hit over. after read": z.number().min(0),
  "Write hit over. after write": z.number().min(0),
  "Write miss over. after read": z.number().min(0),
  "Write miss over. after write": z.number().min(0),
  "Read completion overhead": z.number().min(0),
  "Write completion overhead": z.number().min(0),
  "Data preparation overhead": z.number().min(0),
  "First reselect overhead": z.number().min(0),
  "Other reselect overhead": z.number().min(0),
  "Write disconnect overhead": z.number().min(0),
  "Extra write disconnect": z.int().min(0),
  "Extradisc disconnect overhead": z.number().min(0),
  "Extradisc inter-disconnect delay": z.number().min(0),
  "Extradisc 2nd disconnect overhead": z.number().min(0),
  "Extradisc seek delta": z.number().min(0),
  "Minimum seek delay": z.number().min(0),
});

const Controller = z.object({
  "Per-request overhead time": z.number().min(0),
  "Time scale for overheads": z.number().min(0),
  "Bulk sector transfer time": z.number().min(0),
  "Number of buffer segments": z.int().min(1),
  "Maximum number of write segments": z.int().min(1),
  "Use separate write segment": z.int().min(0).max(1),
  "Segment size (in blks)": z.int().min(1),
  "Enable caching in buffer": z.int().min(0).max(2),
  "Buffer continuous read": z.int().min(0).max(4),
  "Maximum read-ahead (blks)": z.int().min(0),
  "Read-ahead over requested": z.int().min(-1).max(1),
  "Read any free blocks": z.int().min(0).max(1),
  "Allow read hits on write data": z.int().min(0).max(1),
  "Allow write prebuffering": z.int().min(0).max(1),
  "Fast write level": z.int().min(0).max(2),
  "Immediate buffer read": z.int().min(0).max(2),
  "Immediate buffer write": z.int().min(0).max(2),
  "Stop prefetch in sector": z.int().min(0).max(1),
  "High (read) water mark": z.number().min(0).max(1),
});

const Drive = z.object({
  "Number of data surfaces": z.int().min(1),
  "Number of cylinders": z.int().min(1),
  "Block count": z.int().min(1),
  "Layout Model": Layout,
  "Mechanical Model": Mechanics,
});

export interface DiskParameters {
  readonly name: string;
  /** How the overheads are taken: as measured drives want them, or as DiskSim takes them. */
  readonly rules: "measured" | "DiskSim";
  readonly surfaces: number;
  readonly cylinders: number;
  readonly sectors: number;
  readonly layout: z.infer<typeof Layout>;
  readonly seek: SeekLaw;
  /** Milliseconds. */
  readonly rotation: number;
  readonly headSwitch: number;
  readonly writeSettling: number;
  /**
   * Milliseconds until the heads have found the track on which they are again. DiskSim's files do not have it: with none, drives answer
   * requests to the track or cylinder of the last one later than the model by half of their shortest seek, except one that
   * reads a track from wherever it comes to it.
   */
  readonly settling: number;
  /** Milliseconds of a sector on its way between buffer and host. */
  readonly transfer: { readonly read: number; readonly write: number };
  /** In DiskSim's own words, which its manual explains. */
  readonly controller: z.infer<typeof Controller>;
  readonly overheads: z.infer<typeof Overheads>;
}

/**
 * The disks that a DiskSim parameter file describes, in its order.
 * Throws `disk/unreadable`, `disk/syntax`, and `disk/parameters` where a value is missing or impossible.
 */
export function readDisks(path: string): DiskParameters[] {
  return disksOf(readParameterFile(path), path);
}

/** The same, of a file's blocks that have been read. */
export function disksOf(blocks: readonly ParameterBlock[], path: string): DiskParameters[] {
  const buses = blocks.filter(({ type }) => type === "disksim_bus").map((block) => checked(Bus, block));
  const disks = blocks.filter(({ type }) => type === "disksim_disk");
  if (disks.length > 0) return disks.map((disk) => diskOf(disk, buses));
  throw new StopcodeError("disk/parameters", `${basename(path)} describes no disk`, {
    where: { file: path },
    hint: "name a DiskSim .diskspecs or .parv file that has a `disksim_disk` block, or sources one that does",
  });
}

/** The disk as DiskSim has it, and not as drives were measured to be: for comparisons with what DiskSim says itself. */
export function underDiskSimRules(disk: DiskParameters): DiskParameters {
  return { ...disk, rules: "DiskSim", settling: 0 };
}

/** The one disk of a file. Throws as `readDisks`, and where there are several. */
export function readDisk(path: string): DiskParameters {
  const [disk, ...others] = readDisks(path);
  if (others.length === 0) return disk!;
  throw new StopcodeError("disk/parameters", `${basename(path)} describes ${others.length + 1} disks`, {
    where: { file: path },
    hint: "name the .diskspecs file of the one that is meant",
  });
}

function diskOf(block: ParameterBlock, buses: readonly z.infer<typeof Bus>[]): DiskParameters {
  const model = block.entries.get("Model");
  if (!isBlock(model))
    throw new StopcodeError("disk/parameters", `the disk ${block.name} has no model`, {
      where: { file: block.file, line: block.line },
      hint: "`Model = source FILE` or `Model = dm_disk { … }`",
    });
  const drive = checked(Drive, model);
  const mechanics = drive["Mechanical Model"];
  const controller = checked(Controller, block);
  const slowest = (key: keyof z.infer<typeof Bus>) =>
    Math.max(controller["Bulk sector transfer time"], ...buses.map((bus) => bus[key]));
  const seek = seekLaw(mechanics, model.file);
  return {
    name: block.name,
    rules: "measured",
    surfaces: drive["Number of data surfaces"],
    cylinders: drive["Number of cylinders"],
    sectors: drive["Block count"],
    layout: drive["Layout Model"],
    seek,
    rotation: 60_000 / mechanics["Rotation speed (in rpms)"],
    headSwitch: mechanics["Head switch time"],
    writeSettling: mechanics["Add. write settling delay"],
    settling: controller["Immediate buffer read"] > 0 ? 0 : seekTime(seek, 1) / 2,
    transfer: { read: slowest("Read block transfer time"), write: slowest("Write block transfer time") },
    controller,
    overheads: checked(Overheads, block),
  };
}

function seekLaw(mechanics: z.infer<typeof Mechanics>, file: string): SeekLaw {
  const needed = <T>(value: T | undefined, key: string): T => {
    if (value !== undefined) return value;
    throw new StopcodeError("disk/parameters", `seeks of type "${mechanics["Seek type"]}" need "${key}"`, {
      where: { file },
      hint: `add "${key}" to the mechanical model`,
    });
  };
  switch (mechanics["Seek type"]) {
    case "constant":
      return { kind: "constant", time: needed(mechanics["Average seek time"], "Average seek time") };
    case "extracted": {
      const curve = join(dirname(file), needed(mechanics["Full seek curve"], "Full seek curve"));
      return { kind: "measured", points: parseSeekCurve(readText(curve), curve) };
    }
    default: {
      const [division, rootConstant, rootFactor, lineConstant, lineFactor, single] = needed(
        mechanics["HPL seek equation values"],
        "HPL seek equation values",
      ) as [number, number, number, number, number, number];
      const first =
        mechanics["Seek type"] === "hplplus10"
          ? needed(mechanics["First ten seek times"], "First ten seek times")
          : single === -1
            ? []
            : [needed(mechanics["Single cylinder seek time"], "Single cylinder seek time")];
      return { kind: "two-part", division, root: [rootConstant, rootFactor], line: [lineConstant, lineFactor], first };
    }
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new StopcodeError("disk/unreadable", `cannot read the seek curve ${basename(path)}`, {
      where: { file: path },
      hint: "the file that the model names must lie beside it",
      cause,
    });
  }
}

/** Blocks as plain objects, as zod wants them. */
const plain = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(plain);
  if (!isBlock(value as never)) return value;
  return Object.fromEntries([...(value as ParameterBlock).entries].map(([key, entry]) => [key, plain(entry)]));
};

/** A block's entries, checked. Throws `disk/parameters`. */
export function checked<Schema extends z.ZodType>(schema: Schema, block: ParameterBlock): z.infer<Schema> {
  const result = schema.safeParse(plain(block));
  if (result.success) return result.data;
  const { path, message } = result.error.issues[0]!;
  throw new StopcodeError("disk/parameters", `${path.join(" › ")}: ${message}`, {
    where: { file: block.file, line: block.line },
    hint: `look at the block "${block.type} ${block.name}" that begins there`,
  });
}
