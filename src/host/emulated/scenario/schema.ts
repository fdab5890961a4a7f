import { z } from "zod";
import { KERNEL_CHECKS } from "../../../dumpfile/index.ts";
import {
  deviceRequests,
  driver,
  duration,
  fileReads,
  MOST_PROCESSES,
  MOST_SYSTEM_PTES,
  memoryFault,
  processWork,
  size,
} from "../../../guest/index.ts";
import { FAULT_KINDS } from "../../../hypervisor/index.ts";
import { diskFault } from "./disk-fault.ts";
import { name } from "./name.ts";

const privateProcess = z.strictObject({
  name: z
    .string()
    .regex(/^[\w.-]{1,14}$/, { error: "expected an image name of at most 14 letters, such as vaultd.exe" }),
  memory: size.prefault("1 MiB").meta({ description: "Memory of its own, besides its image and its stack" }),
  private: z
    .boolean()
    .default(false)
    .meta({ description: "Its pages are marked private: a dump holds them sealed for the owners, never in clear" }),
  canary: z
    .string()
    .min(16)
    .max(64)
    .optional()
    .meta({ description: "A text that stands in several of its pages, by which a leak into a dump can be told" }),
  count: z
    .int()
    .min(1)
    .max(MOST_PROCESSES)
    .default(1)
    .meta({ description: "How many processes of this name there are, each with an address space of its own" }),
  work: processWork.optional().meta({
    description:
      "What it does; left out, it waits. It reads and writes its pages, and finds out when they are not its own",
  }),
  requests: deviceRequests.optional().meta({
    description:
      "What it asks of drivers with buffers of its own. It ends after some time, and is started again; it neither works nor reads files",
  }),
  reads: fileReads.optional().meta({ description: "What a thread of it reads from files on the host's disk" }),
});

const partition = z.strictObject({
  name,
  memory: size.prefault("64 MiB"),
  processors: z.int().min(1).max(4).default(2),
  engine: z.enum(["walk", "tlb", "shadow"]).default("shadow").meta({
    description:
      "How its processors translate addresses: by the guest's page tables at every access, with a TLB before them, or by shadow page tables. The guest cannot tell",
  }),
  systemPtes: z
    .int()
    .min(1024)
    .max(MOST_SYSTEM_PTES)
    .multipleOf(512)
    .default(16_384)
    .meta({ description: "System page-table entries: how many pages its drivers can map at one time" }),
  stateless: z
    .boolean()
    .default(false)
    .meta({ description: "It can be made again from nothing, so no page of it is ever stored" }),
  owners: z
    .array(z.string().regex(/^age1[02-9ac-hj-np-z]{58}$/, { error: "expected an age recipient (age1…)" }))
    .default([])
    .meta({ description: "age recipients of the people whom private pages are sealed for" }),
  dump: z
    .strictObject({
      format: z.enum(["windows-bitmap", "windows-full", "elf-vmcore"]).default("windows-bitmap"),
      leaveOut: z.array(z.enum(["zero"])).default([]),
    })
    .prefault({}),
  pageFile: size.optional().meta({
    description: "Size of its page file, on the host's disk; without one, pageable memory stays where it is",
  }),
  selfDump: z.boolean().default(false).meta({
    description:
      "When it stops, and the dump from outside is taken, it also writes one of itself: into its page file, by drivers of its own. It needs a page file of its memory and 1 MiB more",
  }),
  adapterDriver: z.string().optional().meta({
    description:
      "Which of its drivers is that of the adapter its disk hangs on; left out, it is one of the system's own",
  }),
  armed: z
    .array(
      z.strictObject({
        check: z.enum(KERNEL_CHECKS),
        target: z.string().nullable().default(null).meta({
          description:
            "What it is for: a driver (leakdrv.sys); for special pool also a tag (tag:Leak) or sizes in bytes (size:193-208); left out, all",
        }),
      }),
    )
    .default([])
    .meta({ description: "Checks that somebody has switched on for its first start" }),
  memoryFaults: z.array(memoryFault).default([]).meta({ description: "What goes wrong with its memory" }),
  drivers: z.array(driver).default([]),
  removedDrivers: z
    .array(
      z.strictObject({
        name: z.string(),
        afterBoot: z.int().min(1).max(10).meta({ description: "The last start with it" }),
      }),
    )
    .default([])
    .meta({ description: "Drivers that somebody removes between two starts" }),
  processes: z.array(privateProcess).default([]),
});

const stopCode = z.int().positive();

const stop = z.strictObject({
  partition: name.meta({ description: "Which partition stops; `hypervisor` when it is the host itself" }),
  stopCode: z.union([stopCode, z.array(stopCode).min(2)]).meta({
    description: "Stop code, such as 0x3F; several where chance decides who meets the damage, and how",
  }),
  culprit: z.string().optional().meta({ description: "Who is to be named, such as leakdrv.sys" }),
});

const verdict = z.strictObject({
  kind: z
    .enum(["driver", "configuration", "hardware", "hypervisor", "storage", "process", "unknown"])
    .meta({ description: "What is to blame. `hardware`, say: no driver may be" }),
  culprit: z.string().optional().meta({ description: "Who, such as leakdrv.sys; left out, whoever it is" }),
  confidence: z.enum(["identified", "probable", "suspect"]).meta({ description: "How sure that is, and no surer" }),
  bystander: z
    .union([z.string(), z.array(z.string()).min(2)])
    .optional()
    .meta({ description: "Who only tripped over what the culprit did; several where chance decides" }),
});

/** A scenario as people write it: an emulated host, what runs on it, and how it is to end. */
export const scenarioSchema = z.strictObject({
  name,
  description: z.string(),
  seed: z.int().min(0).max(0xffff_ffff).default(1).meta({
    description: "Everything that chance decides comes from it: the same seed gives the same bytes of memory",
  }),
  clock: z.iso
    .datetime({ error: "expected a UTC time, such as 2026-01-15T03:12:00Z" })
    .default("2026-01-15T03:12:00Z")
    .meta({ description: "The time of day when the host starts, in UTC" }),
  host: z.strictObject({
    name,
    memory: size.prefault("1 GiB"),
    processors: z.int().min(1).max(64).default(4),
    audit: duration.optional().meta({
      description:
        "How often the hypervisor audits itself; it does so at once where a translation or a flush looks wrong, and stops when it is. Never without it",
    }),
  }),
  hypervisorFault: z
    .strictObject({
      kind: z.enum(FAULT_KINDS),
      at: duration.meta({ description: "When, after each start of the host; it happens at the next occasion" }),
      every: duration.optional().meta({ description: "Again so long after it has happened; without it once a start" }),
    })
    .optional()
    .meta({ description: "What the hypervisor itself does wrong" }),
  diskFaults: z.array(diskFault).default([]).meta({ description: "What goes wrong with the host's disk" }),
  media: z
    .strictObject({
      streams: z
        .int()
        .min(1)
        .max(100)
        .meta({ description: "Streams of 128 KiB every 500 ms, due at the end of each period" }),
    })
    .optional()
    .meta({ description: "What is played from the host's disk all the time; refused where it could not be in time" }),
  liveDumps: z
    .array(
      z.strictObject({
        partition: name,
        at: duration.meta({ description: "When, after the first start of the host" }),
      }),
    )
    .default([])
    .meta({ description: "Dumps taken of partitions that go on" }),
  boots: z
    .int()
    .min(1)
    .max(10)
    .default(1)
    .meta({ description: "How often a partition that stopped is started again, and the first time" }),
  restartsClean: z.boolean().default(false).meta({
    description:
      "Partitions whose time is over without a stop are shut down and started again, as long as there are boots; else that is the end",
  }),
  duration: duration.prefault("90 s").meta({ description: "How long a boot goes on when nothing stops" }),
  expect: z.array(stop).default([]).meta({ description: "The stops that the scenario ends in, boot by boot" }),
  verdict: z
    .union([z.literal("none"), verdict])
    .optional()
    .meta({
      description:
        "What the diagnosis comes to, with any seed. `none`: nobody is named, and nothing stops but what is expected",
    }),
  dumpPartition: z.strictObject({ name: name.default("dump"), memory: size.prefault("16 MiB") }).prefault({}),
  partitions: z.array(partition).min(1),
});

export type Scenario = z.output<typeof scenarioSchema>;
export type ScenarioPartition = Scenario["partitions"][number];

/** The JSON schema of a scenario file, for editors and for people: fixtures/scenarios/scenario.schema.json. */
export function scenarioJsonSchema(): z.core.JSONSchema.BaseSchema {
  return z.toJSONSchema(scenarioSchema, { io: "input" });
}
