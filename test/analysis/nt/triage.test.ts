import { describe, expect, it } from "vitest";
import { analyze, type Facts, type Frame } from "../../../src/analysis/index.ts";
import { sharedData, withPeers } from "../../peers.ts";
import { expectedFrames, expectedRegisters } from "./expected.ts";

const x64 = () => analyze(sharedData("windows/rizin/triage_x64.dmp"));
const arm64 = () => analyze(sharedData("windows/rizin/triage_arm64.dmp"));
const withImages = () =>
  analyze(sharedData("windows/rizin/triage_x64.dmp"), { images: [sharedData("windows/symbols")] });

const places = (frames: readonly Frame[]) =>
  frames.map(({ address, stackPointer }) => ({ address: address!, stackPointer: stackPointer! }));

const data = withPeers({ data: "windows/rizin" }, { data: "windows/expected" });

data.describe("a real triage dump of x64 build 19041", () => {
  const it = data.it;

  it("stop code: the variant's name, its parameters told and resolved", async () => {
    const { crash } = await x64();
    expect(crash?.title).toBe("SYSTEM_THREAD_EXCEPTION_NOT_HANDLED_M");
    expect(crash?.stopCode?.code).toBe("0x1000007e");
    expect(crash?.stopCode?.parameters.map(({ value, text }) => [value, text])).toEqual([
      ["0xffffffffc0000005", "STATUS_ACCESS_VIOLATION"],
      ["0xfffff8048b58334c", "amdppm.sys+0x334c"],
      ["0xffff850429891ee8", null],
      ["0xffff850429891720", null],
    ]);
    expect(crash?.stopCode?.parameters.every(({ meaning }) => meaning)).toBe(true);
  });

  it("the failed instruction comes from the exception record on the stack, not from the header's", async () => {
    const { crash } = await x64();
    expect(crash?.address).toBe("0xfffff8048b58334c");
    expect(crash?.module).toEqual({ name: "amdppm.sys", offset: "0x334c", via: "exception record" });
    expect(crash?.exception).toMatchObject({ code: "0xc0000005", name: "STATUS_ACCESS_VIOLATION" });
    expect(crash?.registers?.rip).toBe("0xfffff8048b58334c");
  });

  it("the bug check's registers are those that rizin finds", async () => {
    const [processor] = (await x64()).processors!;
    expect(processor?.registers).toMatchObject(expectedRegisters("triage_x64"));
  });

  it("modules, unloaded modules, process, times, build", async () => {
    const facts = await x64();
    expect(facts.modules).toHaveLength(151);
    expect(facts.modules?.[0]).toMatchObject({ name: "ntoskrnl.exe", base: "0xfffff8047ba00000" });
    expect(facts.unloadedModules).toHaveLength(4);
    expect(facts.crash?.process).toEqual({ name: "System", pid: 4 });
    expect(facts.machine).toMatchObject({ arch: "x86_64", processors: 16, crashedAt: "2021-02-21T01:38:22.987Z" });
    expect(facts.machine?.uptimeSeconds).toBeCloseTo(3.7, 1);
    expect(facts.os).toMatchObject({ family: "windows", release: "Windows 10", build: "19041" });
    expect(facts.os?.version).toMatch(/^19041\.\d+\.amd64fre\.vb_release/);
    expect(facts.processes, "a small dump has no list of processes").toBeNull();
  });

  it("without images, exit code alone leads through every frame that rizin has from the fault on", async () => {
    const frames = (await x64()).crash!.stack;
    const expected = expectedFrames("triage_x64").slice(8);
    const found = places(frames);
    expect(found, "recall").toEqual(expect.arrayContaining(expected));
    const wrong = frames.filter((frame) => !expected.some((one) => one.address === frame.address));
    expect(wrong.length, "words left on the stack by calls that have returned").toBeLessThanOrEqual(3);
    expect(wrong.map(({ via }) => via).filter((via) => via !== "scan")).toEqual([]);
    expect(frames[0]?.via).toBe("exception record");
  });

  withPeers({ data: "windows/symbols" }).it(
    "with images, unwinding amdppm and Wdf01000 gives rizin's frames exactly",
    async () => {
      const frames = (await withImages()).crash!.stack;
      expect(places(frames).slice(0, 17)).toEqual(expectedFrames("triage_x64").slice(8, 25));
      expect(frames.slice(1, 17).map(({ via }) => via)).toEqual(Array(16).fill("unwind"));
    },
  );

  withPeers({ data: "windows/symbols" }).it("the bucket does not depend on images", async () => {
    expect((await withImages()).bucket).toEqual((await x64()).bucket);
  });
});

data.describe("a real triage dump of ARM64 build 22000", () => {
  const it = data.it;

  it("stop code, process and thread, build and times", async () => {
    const facts = await arm64();
    expect(facts.crash?.stopCode).toMatchObject({ code: "0x1c8", name: "MANUALLY_INITIATED_POWER_BUTTON_HOLD" });
    expect(facts.crash?.stopCode?.parameters[0]?.value).toBe("0x1b58");
    expect(facts.crash?.process).toEqual({ name: "System", pid: 4 });
    expect(facts.crash?.thread?.id).toBe(0x848);
    expect(facts.modules).toHaveLength(245);
    expect(facts.unloadedModules).toHaveLength(11);
    expect(facts.machine).toMatchObject({ arch: "arm64", processors: 8, crashedAt: "2021-09-14T02:51:58.146Z" });
    expect(facts.machine?.uptimeSeconds).toBeCloseTo(796.7, 1);
    expect(facts.os).toMatchObject({ release: "Windows 11", build: "22000" });
  });

  it("the bug check's registers are those that rizin finds", async () => {
    const [processor] = (await arm64()).processors!;
    expect(processor?.registers).toEqual(expect.objectContaining(expectedRegisters("triage_arm64")));
  });

  it("frame records lead through all of rizin's frames and no others", async () => {
    const frames = (await arm64()).crash!.stack;
    expect(places(frames)).toEqual(expectedFrames("triage_arm64"));
    expect(frames.slice(1).every(({ via }) => via === "frame pointer")).toBe(true);
  });
});

describe("what is no Windows dump", () => {
  it("is refused with the reason", async () => {
    const facts: Promise<Facts> = analyze(import.meta.filename);
    await expect(facts).rejects.toMatchObject({ name: "StopcodeError" });
  });
});
