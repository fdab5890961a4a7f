import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { analyze, bucketOf, type Facts, normalFunction, normalTitle } from "../../src/analysis/index.ts";
import { sharedData, withPeers } from "../peers.ts";

type Crash = NonNullable<Facts["crash"]>;

const facts = (crash: Partial<Crash>): Facts => ({
  schema: "stopcode/facts/1",
  crash: { alternativeTitles: [], stack: [], ...crash },
});
const stopCode = (code: string, ...values: string[]): Crash["stopCode"] => ({
  code,
  name: null,
  parameters: values.map((value) => ({ value })),
});
const frame = (module: string, moduleOffset: string, via: "unwind" | "scan" = "unwind", name?: string) => ({
  ...{ module, moduleOffset, via, function: name ?? null, address: `0xfffff800${moduleOffset.slice(2)}` },
});
const id = (crash: Partial<Crash>) => bucketOf(facts(crash))?.id;

describe("the same crash has one bucket", () => {
  const fault: Partial<Crash> = {
    stopCode: stopCode("0xd1", "0x10", "0x2", "0x1", "0xfffff80012341004"),
    module: { name: "leakdrv.sys", offset: "0x1004" },
    address: "0xfffff80012341004",
  };

  it("wherever the driver was loaded, whatever address it touched", () => {
    const elsewhere = {
      ...fault,
      stopCode: stopCode("0xd1", "0x98", "0x2", "0x1", "0xfffff80055551004"),
      address: "0xfffff80055551004",
    };
    expect(id(elsewhere)).toBe(id(fault));
    expect(id({ ...fault, module: { name: "LeakDrv.sys", offset: "0x1004" } })).toBe(id(fault));
  });

  it("whether the dump has the exception's context (0x1000007e) or not (0x7e)", () => {
    const crash = { module: { name: "amdppm.sys", offset: "0x334c" } };
    expect(id({ ...crash, stopCode: stopCode("0x1000007e", "0xffffffffc0000005", "0x1", "0x2", "0x3") })).toBe(
      id({ ...crash, stopCode: stopCode("0x7e", "0xffffffffc0000005", "0x9", "0x8", "0x7") }),
    );
  });

  it("when the system names the driver, whoever met the limit", () => {
    const named = { stopCode: stopCode("0xd8", "0x1", "0x3e00", "0x2", "0x4000"), module: { name: "leakdrv.sys" } };
    expect(id({ ...named, stack: [frame("netdrv.sys", "0x100")] })).toBe(
      id({ ...named, stack: [frame("other.sys", "0x99")] }),
    );
  });

  it("when a resource ran out, whoever asked last", () => {
    const code = stopCode("0x3f", "0x0", "0x4", "0x2", "0x4000");
    expect(id({ stopCode: code, stack: [frame("a.sys", "0x10")] })).toBe(
      id({ stopCode: code, stack: [frame("b.sys", "0x10")] }),
    );
  });

  it("whatever a scan of the stack came upon, and whatever the kernel's own update", () => {
    const stack = [frame("ntoskrnl.exe", "0x3f5a80"), frame("netdrv.sys", "0x100")];
    const other = [frame("ntoskrnl.exe", "0x3f6b00"), frame("disk.sys", "0x5", "scan"), frame("netdrv.sys", "0x100")];
    const code = stopCode("0xef", "0xffffa0001234", "0x0", "0x0", "0x0");
    expect(id({ stopCode: code, stack })).toBe(id({ stopCode: code, stack: other }));
  });
});

describe("different crashes have different buckets", () => {
  it("by sub-code, by place, by caller where nothing else tells", () => {
    const module = { name: "a.sys", offset: "0x10" };
    const ids = [
      id({ stopCode: stopCode("0xc4", "0x62", "0x0", "0x0", "0x3"), module }),
      id({ stopCode: stopCode("0xc4", "0x60", "0x0", "0x0", "0x3"), module }),
      id({ stopCode: stopCode("0xd1", "0x0", "0x2", "0x0", "0x0"), module }),
      id({ stopCode: stopCode("0xd1", "0x0", "0x2", "0x0", "0x0"), module: { ...module, offset: "0x14" } }),
      id({ stopCode: stopCode("0xef", "0x1", "0x0", "0x0", "0x0"), stack: [frame("a.sys", "0x10")] }),
      id({ stopCode: stopCode("0xef", "0x1", "0x0", "0x0", "0x0"), stack: [frame("b.sys", "0x10")] }),
    ];
    expect(new Set(ids).size).toBe(ids.length);
  });

  it("no bucket for a machine that did not crash", () => {
    expect(bucketOf(facts({ stopCode: stopCode("0x161"), panicked: false }))).toBeNull();
    expect(bucketOf({ schema: "stopcode/facts/1" })).toBeNull();
    expect(bucketOf(facts({}))).toBeNull();
  });
});

describe("a Linux title", () => {
  it.each([
    ["kernel BUG at mm/slub.c:448!", "kernel BUG at mm/slub.c:LINE!"],
    [
      "BUG: unable to handle kernel paging request at ffffc90000a3b000",
      "BUG: unable to handle kernel paging request at ADDR",
    ],
    ["watchdog: BUG: soft lockup - CPU#3 stuck for 22s!", "watchdog: BUG: soft lockup - CPU NUM stuck for 22s!"],
    ["INFO: task kworker stuck in foo.constprop.0", "INFO: task kworker stuck in foo"],
  ])("%s", (title, normal) => expect(normalTitle(title)).toBe(normal));

  it.each([
    ["ext4_writepages.isra.0+0x12/0x340", "ext4_writepages"],
    ["__x64_sys_openat", "sys_openat"],
    ["__se_sys_openat", "sys_openat"],
    ["foo.part.3.constprop.12", "foo"],
    ["cleanup.cold", "cleanup"],
  ])("function %s", (name, normal) => expect(normalFunction(name)).toBe(normal));

  it("reporting functions on the stack say nothing", () => {
    const crash = (stack: Crash["stack"]) => bucketOf(facts({ title: "kernel panic", stack }))?.trail;
    const frames = ["dump_stack_lvl", "panic", "asm_exc_page_fault", "my_driver_read.isra.0", "vfs_read"];
    expect(crash(frames.map((name) => ({ function: name, via: "log" as const })))).toEqual([
      "title kernel panic",
      "frame my_driver_read",
      "frame vfs_read",
    ]);
  });
});

withPeers({ data: "syzkaller/linux" }).it(
  "titles that syzkaller has already freed of what differs stay as they are",
  () => {
    const folder = sharedData("syzkaller/linux");
    const titles = readdirSync(folder).flatMap(
      (name) => /^TITLE: (.+)$/m.exec(readFileSync(join(folder, name), "utf8"))?.[1] ?? [],
    );
    const changed = titles.filter((title) => normalTitle(title) !== title);
    expect(titles.length).toBeGreaterThan(400);
    expect(changed).toEqual([]);
  },
);

withPeers({ data: "windows/rizin" }).it("a real dump's trail can be read", async () => {
  const { bucket } = await analyze(sharedData("windows/rizin/triage_x64.dmp"));
  expect(bucket?.trail).toEqual([
    "stop code 0x7e SYSTEM_THREAD_EXCEPTION_NOT_HANDLED",
    "exception 0xc0000005",
    "module amdppm.sys",
    "at amdppm.sys+0x334c",
  ]);
});
