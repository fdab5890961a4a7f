import { baseStopCode } from "./stop-codes.ts";

/** What a parameter holds, where that lets more be read from it. */
export type ParameterKind =
  | "instruction" // address of the instruction that failed
  | "code" // address of other code
  | "status" // NTSTATUS
  | "access" // read, write or execute
  | "irql"
  | "driver name" // address of the culprit's name, UTF-16 with a NUL
  | "text" // address of ASCII text
  | "process" // address of an EPROCESS
  | "letters" // ASCII text in the value itself
  | "plain";

export interface ParameterMeaning {
  readonly meaning: string;
  readonly kind: ParameterKind;
}

type Entry = string | readonly [meaning: string, kind: ParameterKind];
type Four = readonly [Entry, Entry, Entry, Entry];

const UNUSED = "not used";
const STATUS: Entry = ["status of the exception nobody handled", "status"];
const FAILED: Entry = ["instruction that failed", "instruction"];
const TOUCHED = "address that was touched";
const TOUCHER: Entry = ["instruction that touched it, if known", "instruction"];
const ACCESS: Entry = ["how it was touched", "access"];
const LEVEL: Entry = ["IRQL at that moment", "irql"];
const SPECIAL_POOL: Four = [TOUCHED, ACCESS, TOUCHER, UNUSED];
const AT_LEVEL: Four = [TOUCHED, LEVEL, ACCESS, FAILED];

// In our own words after Microsoft's "Bug check code reference".
const MEANINGS: ReadonlyMap<number, Four> = new Map<number, Four>([
  [0x0a, AT_LEVEL],
  [0x19, ["what is wrong with the pool header", "depends on parameter 1", "depends on parameter 1", "depends on parameter 1"]],
  [0x1a, ["what the memory manager found", "depends on parameter 1", "depends on parameter 1", "depends on parameter 1"]],
  [0x1e, [STATUS, FAILED, "first word of the exception's information", "second word of the exception's information"]],
  [0x3b, [["status of the exception in a system call", "status"], FAILED, "address of the registers at that moment", UNUSED]],
  [0x3f, ["which PTEs ran out: 0 system, 1 nonpaged pool expansion", "PTEs asked for", "system PTEs free", "system PTEs in total"]],
  [0x4e, ["what is wrong in the page frame database", "page frame number", "state of the page", "reference count or list entry"]],
  [0x50, [TOUCHED, ACCESS, TOUCHER, "kind of page fault: 0 freed page, 2 no page table, 3 wrong session, 4 not canonical, 0xf user address"]],
  [0x76, ["0: a process ends with pages locked; 1: unlocking pages that are not locked", ["process, or the MDL for 1", "process"], "pages locked", "stacks of those who locked, 0 when not tracked"]],
  [0x7a, ["lock type 1 to 4, or the address of the page table entry", ["status of the read from the paging file", "status"], "depends on parameter 1: process, PTE contents or read request", "address that could not be paged in"]],
  [0x7b, ["device that could not be mounted: its name or object", ["status of the mount", "status"], UNUSED, UNUSED]],
  [0x7e, [STATUS, FAILED, "address of the exception record", "address of the registers at that moment"]],
  [0x7f, ["trap number", "depends on the trap", "depends on the trap", "depends on the trap"]],
  [0x8e, [STATUS, FAILED, "address of the trap frame", UNUSED]],
  [0x9f, ["which power transition failed", "depends on parameter 1", "depends on parameter 1", "depends on parameter 1"]],
  [0xc1, ["address that was freed", "address of the damage, or bytes asked for", "bytes handed out, or not used", "what is wrong with the special pool block"]],
  [0xc2, ["what was wrong with the pool request", "depends on parameter 1", "depends on parameter 1", "depends on parameter 1"]],
  [0xc4, ["what the driver verifier caught", "depends on parameter 1", "depends on parameter 1", "depends on parameter 1"]],
  [0xc5, AT_LEVEL],
  [0xc6, [TOUCHED, ACCESS, "mode: 0 kernel, 1 user", UNUSED]],
  [0xc7, ["what was wrong with a timer or DPC", "depends on parameter 1", "first address of the memory examined", "last address of the memory examined"]],
  [0xcb, ["lock tracking structure, or the caller in the driver", ["caller of the caller, or 0", "code"], "MDL with the locked pages", "pages locked"]],
  [0xcc, SPECIAL_POOL],
  [0xcd, SPECIAL_POOL],
  [0xce, [TOUCHED, ACCESS, TOUCHER, UNUSED]],
  [0xd0, AT_LEVEL],
  [0xd1, AT_LEVEL],
  [0xd4, AT_LEVEL],
  [0xd5, SPECIAL_POOL],
  [0xd6, SPECIAL_POOL],
  [0xd8, [["driver that holds most system PTEs, 0 when unknown", "driver name"], "PTEs it holds", "system PTEs free", "system PTEs in total"]],
  [0xda, ["what is wrong with the mapping", "depends on parameter 1", "depends on parameter 1", "depends on parameter 1"]],
  [0xe4, ["what was wrong with a work item", "work item", "depends on parameter 1", "depends on parameter 1"]],
  [0xea, ["thread that is stuck", "watchdog", ["driver it is stuck in", "driver name"], "times this was seen"]],
  [0xef, [["process that died", "process"], "0: the process ended, 1: its last thread ended", UNUSED, UNUSED]],
  [0xf4, ["kind of object: 3 process, 6 thread", ["the object that ended", "process"], ["name of the process's image", "text"], ["what the kernel says about it", "text"]]],
  [0x101, ["clock ticks waited for", UNUSED, "control block of the processor that hangs", "number of the processor that hangs"]],
  [0x109, ["not used: encodes a checksum", "not used: encodes a checksum", "what was found changed, depends on parameter 4", "kind of region that was changed"]],
  [0x116, ["recovery context of the display driver", ["code in the display driver", "code"], ["status of the last operation", "status"], "depends on the display driver"]],
  [0x124, ["source of the hardware error", "address of the error record", "upper half of the machine check's status", "lower half of the machine check's status"]],
  [0x133, ["0: one DPC ran too long; 1: too long at raised IRQL in sum", "ticks counted, or the watchdog's period", "ticks allowed, or a block with details", "block with details"]],
  [0x139, ["kind of corruption", "address of the trap frame", "address of the exception record", UNUSED]],
  [0x154, ["store that failed", "address of the exception record", "address of the registers at that moment", UNUSED]],
  [0x161, [["who asked for the dump", "letters"], UNUSED, UNUSED, UNUSED]],
  [0x1c7, ["which check of the memory store failed", "depends on parameter 1", "depends on parameter 1", "depends on parameter 1"]],
  [0x1c8, ["milliseconds the power button was held", "block with details of the power button", UNUSED, UNUSED]],
]); // biome-ignore format: a table

interface Subcode {
  readonly cause: string;
  readonly rest: readonly [Entry, Entry, Entry];
}

const says = (cause: string, ...rest: [Entry, Entry, Entry]): Subcode => ({ cause, rest });
const IRQL_NOW: Entry = ["IRQL", "irql"];
const NAMED: Entry = ["the driver's name", "driver name"];
const overrun = says(
  "memory freed whose end was overwritten",
  "start of the block",
  "address of the damage",
  "bytes of the block",
);

const SUBCODES: ReadonlyMap<number, ReadonlyMap<number, Subcode>> = new Map([
  [0x19, new Map([
    [0x02, says("special pool pattern damaged", "pool entry", "bytes of the block", UNUSED)],
    [0x03, says("free list of the pool damaged", "pool entry", "forward link read back", "backward link read back")],
    [0x05, says("headers of two neighbours contradict each other", "one entry", UNUSED, "the other entry")],
    [0x06, says("header names a previous block that is too large", "entry miscalculated", UNUSED, "bad entry")],
    [0x07, says("header has a bad size", UNUSED, UNUSED, "bad entry")],
    [0x08, says("header has size zero", UNUSED, UNUSED, "bad entry")],
    [0x09, says("header names a block that is too large", "entry miscalculated", UNUSED, "bad entry")],
    [0x0a, says("block is not where the page says", "entry expected", UNUSED, "page it should be in")],
    [0x0d, says("header of a freed block was changed", UNUSED, UNUSED, UNUSED)],
    [0x0e, says("header of a freed block was changed", UNUSED, UNUSED, UNUSED)],
    [0x0f, says("header of a freed block was changed", UNUSED, UNUSED, UNUSED)],
    [0x20, says("header has a bad size", "entry expected", "next entry", UNUSED)],
    [0x21, says("data behind the freed block was overwritten", "address being freed", "bytes of the block", "value found behind it")],
    [0x22, says("freed address is not an allocation", "address being freed", UNUSED, UNUSED)],
  ])],
  [0x7f, new Map([
    [0x00, says("trap 0: division by zero", UNUSED, UNUSED, UNUSED)],
    [0x04, says("trap 4: overflow", UNUSED, UNUSED, UNUSED)],
    [0x05, says("trap 5: bounds check", UNUSED, UNUSED, UNUSED)],
    [0x06, says("trap 6: invalid instruction", UNUSED, UNUSED, UNUSED)],
    [0x08, says("trap 8: double fault, mostly a kernel stack that overflowed", "task state or saved registers", "stack pointer at that moment", ["instruction at that moment", "code"])],
    [0x0a, says("trap 10: damaged task state segment", UNUSED, UNUSED, UNUSED)],
    [0x0b, says("trap 11: segment not present", UNUSED, UNUSED, UNUSED)],
    [0x0c, says("trap 12: stack segment fault", UNUSED, UNUSED, UNUSED)],
    [0x0d, says("trap 13: general protection", UNUSED, UNUSED, UNUSED)],
    [0x12, says("trap 18: machine check", UNUSED, UNUSED, UNUSED)],
  ])],
  [0x9f, new Map([
    [0x01, says("device freed while a power request was outstanding", "device object", UNUSED, UNUSED)],
    [0x02, says("power request completed without asking for the next", "target device", "device object", "driver object")],
    [0x03, says("device blocks a power request for too long", "physical device object", "block with details", "the request that is blocked")],
    [0x04, says("power transition waits for plug and play", "seconds waited", "thread that holds the lock", "block with details")],
    [0x05, says("directed power transition took too long", "physical device object", "power framework device", UNUSED)],
    [0x06, says("directed power transition failed", "power framework device", "1 down, 0 up", UNUSED)],
    [0x500, says("power request completed without asking for the next", UNUSED, "target device", "device object")],
  ])],
  [0xc2, new Map([
    [0x00, says("zero bytes asked for", UNUSED, "pool type", ["pool tag", "letters"])],
    [0x01, says("pool header damaged", "pool header", "start of its contents", UNUSED)],
    [0x02, says("pool header damaged", "pool header", "start of its contents", UNUSED)],
    [0x04, says("pool header damaged", "pool header", "start of its contents", UNUSED)],
    [0x06, says("freed twice", UNUSED, "pool header", "its contents")],
    [0x07, says("freed twice", UNUSED, "contents of the pool header", "block being freed")],
    [0x08, says("pool asked for at too high an IRQL", IRQL_NOW, "pool type", "bytes")],
    [0x09, says("pool freed at too high an IRQL", IRQL_NOW, "pool type", "address")],
    [0x0a, says("freed with the wrong tag", "address", ["tag of the allocation", "letters"], ["tag it was freed with", "letters"])],
    [0x40, says("address of user space freed as pool", "address", "start of system space", UNUSED)],
    [0x41, says("nonpaged address freed that was not allocated", "address", "page frame", "highest page frame")],
    [0x42, says("address freed that was never pool", "address", UNUSED, UNUSED)],
    [0x43, says("address freed that was never pool", "address", UNUSED, UNUSED)],
    [0x44, says("nonpaged address freed that was not allocated", "address", UNUSED, UNUSED)],
    [0x46, says("invalid address freed", "address", UNUSED, UNUSED)],
    [0x47, says("nonpaged address freed that was not allocated", "address", "page frame", "highest page frame")],
    [0x48, says("paged address freed that was not allocated", "address", UNUSED, UNUSED)],
    [0x50, says("paged address freed that was not allocated", "address", "pages from the pool's start", "bytes of paged pool")],
    [0x60, says("invalid contiguous memory freed", "address", UNUSED, UNUSED)],
    [0x99, says("invalid address freed, or its header damaged", "address", UNUSED, UNUSED)],
    [0x9a, says("pool asked for that must succeed: no longer supported", "pool type", "bytes", ["pool tag", "letters"])],
    [0x9b, says("pool asked for with tag 0", "pool type", "bytes", ["caller", "instruction"])],
    [0x9c, says("pool asked for with the reserved tag BIG", "pool type", "bytes", ["caller", "instruction"])],
    [0x9d, says("pool asked for with a tag without letters", ["the tag", "letters"], "pool type", ["caller", "instruction"])],
  ])],
  [0xc4, new Map([
    [0x00, says("zero bytes asked for", IRQL_NOW, "pool type", "bytes")],
    [0x01, says("paged pool asked for above APC_LEVEL", IRQL_NOW, "pool type", "bytes")],
    [0x02, says("nonpaged pool asked for above DISPATCH_LEVEL", IRQL_NOW, "pool type", "bytes")],
    [0x10, says("address freed that was not allocated", "address", UNUSED, UNUSED)],
    [0x11, says("paged pool freed above APC_LEVEL", IRQL_NOW, "pool type", "address")],
    [0x12, says("nonpaged pool freed above DISPATCH_LEVEL", IRQL_NOW, "pool type", "address")],
    [0x13, says("freed twice", UNUSED, "pool header", "its contents")],
    [0x14, says("freed twice", UNUSED, "pool header", "its contents")],
    [0x15, says("pool freed that holds an active timer", "timer", "pool type", "address")],
    [0x16, says("bad address freed", UNUSED, "address", UNUSED)],
    [0x17, says("pool freed that holds an active resource", "resource", "pool type", "address")],
    [0x30, says("IRQL raised to a lower or invalid one", IRQL_NOW, ["IRQL asked for", "irql"], UNUSED)],
    [0x31, says("IRQL lowered to a higher or invalid one", IRQL_NOW, ["IRQL asked for", "irql"], "why it is bad")],
    [0x32, says("spin lock released at the wrong IRQL", IRQL_NOW, "spin lock", UNUSED)],
    [0x40, says("spin lock for DISPATCH_LEVEL acquired below it", IRQL_NOW, "spin lock", UNUSED)],
    [0x42, says("spin lock acquired above DISPATCH_LEVEL", IRQL_NOW, "spin lock", UNUSED)],
    [0x51, overrun],
    [0x52, overrun],
    [0x53, overrun],
    [0x54, overrun],
    [0x59, overrun],
    [0x60, says("driver unloads with pool allocations left", "bytes of paged pool", "bytes of nonpaged pool", "allocations left")],
    [0x61, says("pool asked for while the driver unloads", "bytes of paged pool", "bytes of nonpaged pool", "allocations left")],
    [0x62, says("driver unloads with pool allocations left", NAMED, UNUSED, "allocations left")],
    [0x70, says("pages locked above DISPATCH_LEVEL", IRQL_NOW, "MDL", "access mode")],
    [0x78, says("pages unlocked above DISPATCH_LEVEL", IRQL_NOW, "MDL", UNUSED)],
    [0x7c, says("pages unlocked that were never locked", "MDL", "its flags", UNUSED)],
    [0xb8, says("MDL freed whose pages are still mapped", "MDL", "its flags", UNUSED)],
  ])],
  [0xc7, new Map([
    [0x00, says("a timer lies in memory that is given back", "timer", "first address of the memory", "last address of the memory")],
    [0x01, says("a DPC lies in memory that is given back", "DPC", "first address of the memory", "last address of the memory")],
    [0x02, says("routine of a DPC lies in memory that is given back", ["routine", "code"], "first address of the memory", "last address of the memory")],
  ])],
  [0xe4, new Map([
    [0x00, says("memory given back with a work item that waits", "work item", "first address of the memory", "last address of the memory")],
  ])],
  [0xda, new Map([
    [0x01, says("mapping freed twice", "tracking structure", "MDL", "the other tracking structure")],
    [0x02, says("wrong number of mappings freed", "tracking structure", "mappings expected", "mappings asked for")],
    [0x03, says("wrong address freed", "tracking structure", "address expected", "address asked for")],
    [0x04, says("first page of the MDL changed since it was mapped", "tracking structure", "page frame expected", "page frame found")],
    [0x05, says("start address in the MDL changed since it was mapped", "tracking structure", "address expected", "address asked for")],
    [0x06, says("MDL freed that is not mapped", "MDL", "address", "mappings asked for")],
    [0x100, says("zero mappings asked for", "mappings", ["caller's tag", "letters"], ["caller of the caller", "instruction"])],
    [0x101, says("mapping freed that belongs to another", "first address", ["caller's tag", "letters"], ["owner's tag", "letters"])],
    [0x102, says("mapping freed that is empty", "first address", ["caller's tag", "letters"], UNUSED)],
    [0x103, says("mapping freed that is still reserved", "bad address", ["caller's tag", "letters"], "mappings")],
  ])],
  [0x124, new Map([
    [0x00, says("machine check", "address of the error record", "upper half of MCi_STATUS", "lower half of MCi_STATUS")],
    [0x01, says("corrected machine check", "address of the error record", UNUSED, UNUSED)],
    [0x02, says("corrected platform error", "address of the error record", UNUSED, UNUSED)],
    [0x03, says("non-maskable interrupt", "address of the error record", UNUSED, UNUSED)],
    [0x04, says("PCI Express error that cannot be corrected", "address of the error record", UNUSED, UNUSED)],
    [0x05, says("generic hardware error", "address of the error record", UNUSED, UNUSED)],
    [0x06, says("error while the error source was initialised", "address of the error record", UNUSED, UNUSED)],
    [0x07, says("error at boot", "address of the error record", UNUSED, UNUSED)],
    [0x10, says("error reported by a device driver", "address of the error record", UNUSED, UNUSED)],
  ])],
  [0x139, new Map([
    [0x00, says("stack cookie damaged", "address of the trap frame", "address of the exception record", UNUSED)],
    [0x01, says("virtual function table of an object damaged", "address of the trap frame", "address of the exception record", UNUSED)],
    [0x02, says("stack buffer overrun: the cookie was changed", "address of the trap frame", "address of the exception record", UNUSED)],
    [0x03, says("linked list damaged, for instance removed twice", "address of the trap frame", "address of the exception record", UNUSED)],
    [0x04, says("stack pointer outside its stack", "address of the trap frame", "address of the exception record", UNUSED)],
    [0x0a, says("indirect call to a target that is not allowed", "address of the trap frame", "address of the exception record", UNUSED)],
    [0x0e, says("reference count wrong", "address of the trap frame", "address of the exception record", UNUSED)],
    [0x1d, says("red-black tree damaged", "address of the trap frame", "address of the exception record", UNUSED)],
  ])],
]); // biome-ignore format: a table

// Special pool tells what it found in its last parameter, not its first.
const SPECIAL_POOL_FOUND: ReadonlyMap<number, string> = new Map([
  [0x20, "block freed that was not allocated"],
  [0x21, "bad address freed"],
  [0x22, "bad address freed"],
  [0x23, "bytes before or around the block were overwritten"],
  [0x24, "bytes behind the block were overwritten"],
  [0x30, "pool asked for at the wrong IRQL"],
  [0x31, "pool freed at the wrong IRQL"],
  [0x32, "one bit beside the block has changed: suspect the memory"],
]);

const meant = (entry: Entry): ParameterMeaning =>
  typeof entry === "string" ? { meaning: entry, kind: "plain" } : { meaning: entry[0], kind: entry[1] };

/** What the four parameters of a stop code mean, given their values; null each for a stop code that is not described. */
export function parameterMeanings(code: number, values: readonly bigint[]): readonly (ParameterMeaning | null)[] {
  const base = baseStopCode(code);
  const entries = MEANINGS.get(base);
  if (!entries) return [null, null, null, null];
  const [first, ...others] = entries;
  const subcode = SUBCODES.get(base)?.get(Number(values[0]));
  if (subcode) return [meant(subcode.cause), ...subcode.rest.map(meant)];
  const found = base === 0xc1 ? SPECIAL_POOL_FOUND.get(Number(values[3])) : undefined;
  if (found !== undefined) return [meant(first), meant(others[0]), meant(others[1]), meant(found)];
  return [meant(first), ...others.map(meant)];
}
