import { z } from "zod";

/**
 * The facts of a crash: the one structure that analysis hands out, rules read, history stores and screens print.
 * Every field may be absent or null. 64-bit values are `0x…` strings. What was inferred says how (`via`).
 */

const hexText = z.string().regex(/^0x[0-9a-f]{1,16}$/);
const maybe = <T extends z.ZodType>(schema: T) => schema.nullable().optional();

/** How a frame of a stack was found, best first. */
export const frameVia = z.enum([
  "context", // the instruction pointer of a saved context
  "exception record", // the address that an exception record names
  "unwind", // unwind tables of the module led here
  "epilog", // the exit code of the function below, read forward from where it executes, led here
  "frame pointer", // a chain of frame records led here
  "log", // the kernel printed it
  "log, unsure", // the kernel printed it with a question mark
  "scan after call", // a word on the stack that points behind a call instruction
  "scan", // a word on the stack that points into a module
]);

/** How frames are found that are on the stack for certain, and not perhaps what an earlier call left there. */
export const SURE_FRAMES: ReadonlySet<z.infer<typeof frameVia>> = new Set([
  ...(["context", "exception record", "unwind", "epilog", "frame pointer", "log"] as const),
]);

export const frame = z.strictObject({
  address: maybe(hexText),
  function: maybe(z.string()),
  module: maybe(z.string()),
  /** Offset from the function where there is one, else from the module. */
  offset: maybe(hexText),
  /** Offset from the start of the module. */
  moduleOffset: maybe(hexText),
  stackPointer: maybe(hexText),
  via: frameVia,
});

export const moduleFact = z.strictObject({
  name: z.string(),
  path: maybe(z.string()),
  base: maybe(hexText),
  size: maybe(z.number()),
  timeDateStamp: maybe(z.number()),
  checkSum: maybe(z.number()),
  /** Linux: the module's taint letters. */
  taint: maybe(z.string()),
});

export const stopCodeFact = z.strictObject({
  code: hexText,
  name: maybe(z.string()),
  parameters: z.array(
    z.strictObject({
      value: hexText,
      /** What this parameter means for this stop code, in our words. */
      meaning: maybe(z.string()),
      /** What it points at, where that could be read: a driver's name, a status code's name, `module+0x…`. */
      text: maybe(z.string()),
    }),
  ),
});

/** A driver by its DRIVER_OBJECT's name, and the image that it runs. */
export const driverFact = z.strictObject({ name: maybe(z.string()), module: maybe(z.string()) });

/** A request to a device (IRP) that a stop code says a driver has kept for too long. */
export const requestFact = z.strictObject({
  address: hexText,
  /** What is wanted, by its name in Microsoft's headers: IRP_MN_SET_POWER. */
  kind: maybe(z.string()),
  /** The power state that is wanted: S0 to S5 of the system, D0 to D3 of the device. */
  state: maybe(z.string()),
  /** Address of the device object whose driver has it. */
  device: maybe(hexText),
  driver: maybe(driverFact),
  /** Drivers that had it before and handed it down, the highest first. */
  passedBy: z.array(z.string()),
});

export const processFact = z.strictObject({
  pid: z.number(),
  tgid: maybe(z.number()),
  parent: maybe(z.number()),
  name: z.string(),
  state: maybe(z.string()),
  kernelThread: maybe(z.boolean()),
  processor: maybe(z.number()),
});

export const logRecord = z.strictObject({
  seconds: maybe(z.number()),
  level: maybe(z.number()),
  text: z.string(),
});

/** An address that led nowhere, and the one bit by which it differs from one that is mapped. */
export const flippedBitFact = z.strictObject({ address: hexText, repaired: hexText, bit: z.number() });

/** How many of the allocations that special pool was to serve it has served. */
export const specialPoolFact = z.strictObject({
  eligible: z.number(),
  given: z.number(),
  /** Per cent. */
  coverage: z.number(),
  /** 95 per cent or more: that special pool found nothing means something. */
  isEnough: z.boolean(),
});

/** Code that a check has recorded as a caller: where it lies, and where it goes on. */
export const recordedCaller = z.strictObject({
  address: hexText,
  module: maybe(z.string()),
  moduleOffset: maybe(hexText),
  function: maybe(z.string()),
});

/** The MDL that a process which ended had locked pages in, and who locked them. */
export const lockedPagesFact = z.strictObject({
  mdl: hexText,
  pages: z.number(),
  process: maybe(z.strictObject({ name: z.string(), pid: maybe(z.number()) })),
  lockedBy: recordedCaller,
});

/** The mapping that a wrong free was about. */
export const mappingFact = z.strictObject({
  address: hexText,
  pages: z.number(),
  mdl: hexText,
  /** It had been freed before. */
  isFreed: z.boolean(),
  mappedBy: recordedCaller,
});

/** A user of a tracked resource, as a check that was armed counted it. */
export const trackedUser = z.strictObject({
  module: z.string(),
  /** Units still held (system PTEs, pages, blocks). */
  held: z.number(),
  allocations: maybe(z.number()),
  /** Where in the module the units were asked for, most first. */
  sites: z.array(
    z.strictObject({
      address: hexText,
      function: maybe(z.string()),
      moduleOffset: maybe(hexText),
      calls: z.number(),
      released: z.number(),
      held: z.number(),
    }),
  ),
});

/** A block of pool that was tracked. */
export const trackedBlock = z.strictObject({
  address: hexText,
  bytes: z.number(),
  /** Four letters. */
  tag: z.string(),
  /** Where it was asked for. */
  caller: hexText,
  function: maybe(z.string()),
});

/** A driver whose pool was tracked, and what it had not freed. */
export const poolUser = z.strictObject({
  module: z.string(),
  /** Blocks. */
  held: z.number(),
  bytes: z.number(),
  /** Some of them. */
  blocks: z.array(trackedBlock),
});

/** Something in a hypervisor's state that contradicts the page tables or the maps it was made from. */
export const corruptionFact = z.strictObject({
  kind: z.enum([
    "stale-entry", // a translation that the page tables have not held since before a flush
    "lost-flush", // a translation that outlived the flush that was to end it
    "wrong-frame", // a translation to a frame that is not the page's
    "wrong-rights", // a translation that permits what page tables and map do not
    "broken-link", // shadow pages that hang together wrongly
    "reverse-map", // the way back from a guest frame to its entries
    "reference-count", // a count of shadow pages
    "over-budget", // more shadow pages than there may be
    "count-underflow", // accesses to a shared page counted down more often than they ended
    "leak", // accesses to a shared page that were not counted down
    "use-after-unmap", // a device at work on a page that nobody counted
    "exclusion", // DMA let through, or kept out, where it should not be
    "slot", // the range for shared pages and what is mapped there
  ]),
  partition: maybe(z.string()),
  processor: maybe(z.number()),
  /** CR3 of the address space. */
  addressSpace: maybe(hexText),
  linearAddress: maybe(hexText),
  guestPhysicalAddress: maybe(hexText),
  /** Frame of system physical memory. */
  hostFrame: maybe(hexText),
  /** What the audit works out from page tables and maps. */
  expected: maybe(z.string()),
  /** What the hypervisor held instead. */
  found: maybe(z.string()),
  text: z.string(),
});

/** A failed hypervisor: what its crash region says, held against the memory in the dump. */
export const hypervisorFact = z.strictObject({
  partitions: z.array(
    z.strictObject({
      name: z.string(),
      engine: z.string(),
      processors: z.number(),
      pages: z.number(),
      addressSpaces: z.number(),
      shadowPages: z.number(),
    }),
  ),
  audit: z.strictObject({
    /** How many of each kind were held against memory. */
    checked: z.record(z.string(), z.number()),
    /** What could not be: for the most part, pages that are not in the dump. */
    unchecked: z.array(z.strictObject({ reason: z.string(), count: z.number() })),
    /** The first of them, worst first. */
    corruptions: z.array(corruptionFact),
    /** How many there are. */
    found: z.number(),
  }),
  sharing: z.strictObject({ sharedPages: z.number(), pendingAccesses: z.number(), descriptors: z.number() }),
});

export const facts = z.strictObject({
  schema: z.literal("stopcode/facts/1"),
  dump: maybe(
    z.strictObject({
      format: z.string(),
      bytes: z.number(),
      pages: maybe(z.number()),
      complete: z.boolean(),
      problems: z.array(z.strictObject({ code: z.string(), message: z.string(), offset: maybe(z.number()) })),
    }),
  ),
  os: maybe(
    z.strictObject({
      family: z.enum(["windows", "linux", "hypervisor", "unknown"]),
      release: maybe(z.string()),
      build: maybe(z.string()),
      version: maybe(z.string()),
      commandLine: maybe(z.string()),
      buildId: maybe(z.string()),
    }),
  ),
  machine: maybe(
    z.strictObject({
      arch: maybe(z.string()),
      processors: maybe(z.number()),
      hostname: maybe(z.string()),
      uptimeSeconds: maybe(z.number()),
      /** ISO 8601, UTC. */
      crashedAt: maybe(z.string()),
    }),
  ),
  crash: maybe(
    z.strictObject({
      /** The panic line or the stop code's name: what a person would search for. Null when nothing crashed. */
      title: maybe(z.string()),
      alternativeTitles: z.array(z.string()),
      class: maybe(z.string()),
      corrupted: maybe(z.boolean()),
      /** True when the kernel stopped the machine; false for a dump of a running one. */
      panicked: maybe(z.boolean()),
      stopCode: maybe(stopCodeFact),
      request: maybe(requestFact),
      /** Of stop code 0xE6 with 0x26: the device that the IOMMU stopped, whose it is, and the physical address that it wanted. */
      device: maybe(z.strictObject({ address: hexText, driver: maybe(driverFact), wanted: hexText })),
      flippedBit: maybe(flippedBitFact),
      exception: maybe(
        z.strictObject({ code: hexText, name: maybe(z.string()), address: maybe(hexText), text: maybe(z.string()) }),
      ),
      processor: maybe(z.number()),
      process: maybe(z.strictObject({ name: z.string(), pid: maybe(z.number()) })),
      thread: maybe(z.strictObject({ id: maybe(z.number()), address: maybe(hexText) })),
      irql: maybe(z.number()),
      /** Address of the instruction that failed. */
      address: maybe(hexText),
      function: maybe(z.string()),
      module: maybe(z.strictObject({ name: z.string(), offset: maybe(hexText), via: maybe(z.string()) })),
      stack: z.array(frame),
      registers: maybe(z.record(z.string(), hexText)),
      taint: maybe(z.array(z.string())),
    }),
  ),
  modules: maybe(z.array(moduleFact)),
  unloadedModules: maybe(z.array(z.strictObject({ name: z.string(), start: maybe(hexText), end: maybe(hexText) }))),
  processes: maybe(z.array(processFact)),
  processors: maybe(
    z.array(z.strictObject({ index: z.number(), registers: z.record(z.string(), hexText), source: z.string() })),
  ),
  log: maybe(
    z.strictObject({
      records: z.array(logRecord),
      complete: z.boolean(),
      /** The file it was read from, a record a line; absent when it comes out of the dump. */
      file: maybe(z.string()),
    }),
  ),
  /** What is in the kernel's pool, where its blocks' headers can be read. */
  pool: maybe(
    z.strictObject({
      nonPaged: maybe(
        z.strictObject({
          /** Pages it may take. */
          pages: z.number(),
          used: z.number(),
          /** Of those used, taken by blocks of a page or more, which have no tag. */
          whole: z.number(),
          /** What holds most first. */
          tags: z.array(z.strictObject({ tag: z.string(), blocks: z.number(), bytes: z.number() })),
        }),
      ),
    }),
  ),
  /** What the guest's checks recorded before it stopped. */
  checks: maybe(
    z.strictObject({
      armed: z.array(z.string()),
      systemPtes: maybe(
        z.strictObject({
          total: z.number(),
          free: maybe(z.number()),
          largestFreeRun: maybe(z.number()),
          users: z.array(trackedUser),
        }),
      ),
      /** Null where it was not armed. */
      specialPool: maybe(specialPoolFact),
      /** Null where it was not armed. */
      forcedIrql: maybe(
        z.strictObject({
          /** Times that a checked driver raised IRQL, and pages of pageable memory that were taken away at these. */
          raises: z.number(),
          pages: z.number(),
          pageableStart: hexText,
          pageableEnd: hexText,
          /** By processor: where it was last raised there. */
          raisedAt: z.array(hexText),
        }),
      ),
      /** Null where it was not armed. `missed`: blocks that it had no room for. */
      poolTracking: maybe(
        z.strictObject({
          tracked: z.number(),
          missed: z.number(),
          users: z.array(poolUser),
          /** The block that the stop code's second parameter names, and who asked for it. */
          stopped: maybe(trackedBlock.extend({ module: z.string() })),
        }),
      ),
      /** Of stop code 0xCB. */
      lockedPages: maybe(lockedPagesFact),
      /** Of stop code 0xDA. */
      mapping: maybe(mappingFact),
      /** Of stop code 0xE6 with 0x26: who had mapped the page for the device's DMA, and who had unmapped it. */
      dma: maybe(z.strictObject({ mappedBy: recordedCaller, unmappedBy: recordedCaller })),
    }),
  ),
  /** Of a dump of a whole machine whose hypervisor failed. */
  hypervisor: maybe(hypervisorFact),
  bucket: maybe(z.strictObject({ id: z.string(), version: z.number(), trail: z.array(z.string()) })),
});

export type Facts = z.infer<typeof facts>;
export type Frame = z.infer<typeof frame>;
export type DriverFact = z.infer<typeof driverFact>;
export type ModuleFact = z.infer<typeof moduleFact>;
export type ProcessFact = z.infer<typeof processFact>;
export type LogRecord = z.infer<typeof logRecord>;
export type TrackedUser = z.infer<typeof trackedUser>;
export type PoolUser = z.infer<typeof poolUser>;
export type Corruption = z.infer<typeof corruptionFact>;
