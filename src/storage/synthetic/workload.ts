import { basename } from "node:path";
import { z } from "zod";
import { StopcodeError } from "../../binary/index.ts";
import { type ParameterBlock, partNames, readSystemFile } from "../disk/parameter-file.ts";
import { checked, type DiskParameters, disksOf } from "../disk/parameters.ts";
import { Distribution } from "./distribution.ts";
import { DRIVER_POLICIES, type DriverPolicy } from "./driver-queue.ts";

const share = z.number().min(0).max(1);

/** One process's requests. Source: DiskSim 4.0 reference manual, "Synthetic workloads". */
const Generator = z
  .object({
    "Storage capacity per device": z.int().min(1),
    devices: z.array(z.string()).min(1),
    "Blocking factor": z.int().min(1),
    "Probability of sequential access": share,
    "Probability of local access": share,
    "Probability of read access": share,
    "Probability of time-critical request": share,
    "Probability of time-limited request": share,
    "Time-limited think times": Distribution,
    "General inter-arrival times": Distribution,
    "Sequential inter-arrival times": Distribution,
    "Local inter-arrival times": Distribution,
    "Local distances": Distribution,
    Sizes: Distribution,
  })
  .refine(
    (generator) => generator["Storage capacity per device"] >= 2 * generator["Blocking factor"],
    "the devices are smaller than two blocks",
  )
  .transform((generator) => ({
    /** Of a device, that are used. */
    sectors: generator["Storage capacity per device"],
    devices: generator.devices,
    /** Sectors of a block, of which all places and sizes are multiples. */
    blockSectors: generator["Blocking factor"],
    sequential: generator["Probability of sequential access"],
    local: generator["Probability of local access"],
    reads: generator["Probability of read access"],
    critical: generator["Probability of time-critical request"],
    limited: generator["Probability of time-limited request"],
    /** Milliseconds. */
    patience: generator["Time-limited think times"],
    generalPause: generator["General inter-arrival times"],
    sequentialPause: generator["Sequential inter-arrival times"],
    localPause: generator["Local inter-arrival times"],
    /** Sectors. */
    distance: generator["Local distances"],
    size: generator.Sizes,
  }));

export type GeneratorParameters = z.infer<typeof Generator>;

const Synthetic = z.object({
  "Number of I/O requests to generate": z.int().min(1),
  "Maximum time of trace generated": z.number().positive(),
  "System call/return with each request": z.literal(0),
  Generators: z.array(z.unknown()).min(1),
});

const Global = z.object({ "Real Seed": z.int().min(0) });
const ProcessFlow = z.object({ "Number of processors": z.int().min(1) });

const Driver = z.object({
  Scheduler: z.object({
    "Scheduling policy": z.int(),
    "Scheduling priority scheme": z.int().min(0).max(1),
  }),
});

const SimpleDiskParameters = z.object({
  "Block count": z.int().min(1),
  "Access time": z.number().min(0),
  "Command overhead": z.number().min(0),
});

const Organisation = z.object({
  "Addressing mode": z.literal("Parts"),
  "Distribution scheme": z.literal("Asis"),
  "Redundancy scheme": z.literal("Noredun"),
});

/** A part that requests go to. */
export type DevicePart =
  | { readonly kind: "disk"; readonly disk: DiskParameters }
  | { readonly kind: "simple"; readonly sectors: number; readonly access: number };

export interface SyntheticWorkload {
  readonly requests: number;
  /** Milliseconds after which no more are made. */
  readonly until: number;
  readonly seed: number;
  readonly processors: number;
  readonly policy: DriverPolicy;
  readonly prefersUrgent: boolean;
  readonly generators: readonly GeneratorParameters[];
  readonly devices: ReadonlyMap<string, DevicePart>;
}

/**
 * The workload that a DiskSim file makes up (`disksim_synthio`), and the devices it is for.
 * @returns null where the file has none
 * Throws as `readDisks`, and `disk/workload` where the file needs what there is not: caches and arrays before the disks, other
 * orders in the driver's queue.
 */
export function readSyntheticWorkload(path: string): SyntheticWorkload | null {
  const { blocks, parts } = readSystemFile(path);
  const only = (type: string): ParameterBlock => {
    const block = blocks.find((candidate) => candidate.type === type);
    if (block !== undefined) return block;
    throw unsupported(`${basename(path)} has no block "${type}"`, { file: path, line: 1 });
  };
  if (!blocks.some(({ type }) => type === "disksim_synthio")) return null;
  for (const block of blocks) refuse(block);

  const synthetic = only("disksim_synthio");
  const made = checked(Synthetic, synthetic);
  const { Scheduler: scheduler } = checked(Driver, only("disksim_iodriver"));
  const code = scheduler["Scheduling policy"];
  if (!(code in DRIVER_POLICIES))
    throw unsupported(`the driver's scheduling policy is ${code}`, only("disksim_iodriver"));
  const generatorBlocks = synthetic.entries.get("Generators") as readonly ParameterBlock[];
  const generators = generatorBlocks.map((block) => {
    const generator = checked(Generator, block);
    return { ...generator, devices: partNames(generator.devices, block) };
  });
  return {
    requests: made["Number of I/O requests to generate"],
    until: made["Maximum time of trace generated"] * 1000,
    seed: checked(Global, only("disksim_global"))["Real Seed"],
    processors: checked(ProcessFlow, only("disksim_pf"))["Number of processors"],
    policy: DRIVER_POLICIES[code as keyof typeof DRIVER_POLICIES],
    prefersUrgent: scheduler["Scheduling priority scheme"] > 0,
    generators,
    devices: deviceParts(path, blocks, parts, new Set(generators.flatMap(({ devices }) => devices))),
  };
}

function deviceParts(
  path: string,
  blocks: readonly ParameterBlock[],
  parts: ReadonlyMap<string, string>,
  wanted: ReadonlySet<string>,
): Map<string, DevicePart> {
  const isSimple = ({ type }: ParameterBlock) => type === "disksim_simpledisk";
  const disks = blocks.some(({ type }) => type === "disksim_disk") ? disksOf(blocks, path) : [];
  const found = new Map<string, DevicePart>();
  for (const name of wanted) {
    const model = parts.get(name);
    const disk = disks.find((candidate) => candidate.name === model);
    const simple = blocks.find((block) => isSimple(block) && block.name === model);
    if (disk !== undefined) found.set(name, { kind: "disk", disk });
    else if (simple !== undefined) {
      const parameters = checked(SimpleDiskParameters, simple);
      const access = parameters["Access time"] + parameters["Command overhead"];
      found.set(name, { kind: "simple", sectors: parameters["Block count"], access });
    } else throw unsupported(`"${name}" is no disk`, { file: path, line: 1 });
  }
  return found;
}

/** What stands between the driver and the disks has to be of the kinds that change nothing. */
function refuse(block: ParameterBlock): void {
  if (block.type === "disksim_logorg") {
    const found = Organisation.safeParse(Object.fromEntries(block.entries));
    if (!found.success) throw unsupported(`${block.name} is an array of disks`, block);
  }
  if (block.type === "disksim_ctlr" && Number(block.entries.get("type")) > 2)
    throw unsupported(`the controller ${block.name} has a cache`, block);
  if (block.type.startsWith("disksim_cache")) throw unsupported(`${block.name} is a cache`, block);
}

function unsupported(message: string, { file, line }: Pick<ParameterBlock, "file" | "line">): StopcodeError {
  return new StopcodeError("disk/workload", message, {
    where: { file, line },
    hint: "synthetic workloads run on single disks, in the driver's order FCFS (1), C-LOOK (3) or SSTF (4)",
  });
}
