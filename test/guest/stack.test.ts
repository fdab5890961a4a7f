import { describe, expect, it } from "vitest";
import { UNWIND_REGISTERS } from "../../src/binary/index.ts";
import { contextX64, exceptionRecord64 } from "../../src/dumpfile/index.ts";
import { crashed, LEAK, type View } from "./lab.ts";
import { exportsOf, unwind } from "./unwind-twin.ts";

const startOf = (context: ReturnType<typeof contextX64.read>) => ({
  rip: context.rip,
  rsp: context.rsp,
  registers: UNWIND_REGISTERS.map((name) => context[name]),
});

const stackOf = (view: View) => unwind(view, startOf(view.context));
const names = (view: View) => stackOf(view).map(({ name }) => name);

const NULL_DEREFERENCE = (options: string) => `drivers:
  - { name: badge.sys, behaviour: null-dereference, options: { at: 500 ms, ${options} } }
  - { name: netpump.sys, behaviour: map-and-unmap, options: { rate: 300 per second, pages: 2 } }`;

describe("a stopped guest's stack unwinds by the images' own unwind information", () => {
  it("from KeBugCheckEx through the memory manager into the driver that leaks", async () => {
    const { view } = await crashed(`drivers:
  - { name: leakdrv.sys, behaviour: leak-system-ptes, options: { rate: 1000 per second } }`);
    expect(names(view)).toEqual([
      "ntoskrnl.exe!KeBugCheckEx",
      "ntoskrnl.exe!MiIssueNoPtesBugcheck",
      "ntoskrnl.exe!MmMapLockedPagesSpecifyCache",
      "leakdrv.sys!MapBuffer",
      "leakdrv.sys!CompleteRequest",
      "leakdrv.sys!WorkerRoutine",
      "ntoskrnl.exe!PspSystemThreadStartup",
      "ntoskrnl.exe!KiStartSystemThread",
    ]);
  });

  it("every return address lies behind a call to the function that returns there", async () => {
    const { view } = await crashed(LEAK);
    const frames = stackOf(view);
    for (const [index, { rip, rsp, name }] of frames.entries()) {
      if (index === 0) continue;
      expect(rsp % 16n, `${name} keeps its stack aligned at calls`).toBe(0n);
      const before = view.memory.read(rip - 5n, 5);
      if (before[3] === 0xff && before[4] === 0xd0) continue; // call rax, for a routine that was handed in
      expect(before[0], name).toBe(0xe8);
      const target = rip + BigInt(new DataView(before.buffer).getInt32(1, true));
      const callee = frames[index - 1]!;
      expect(target, name).toBeLessThanOrEqual(callee.rip);
      expect(callee.rip - target, `${name} calls ${callee.name}`).toBeLessThan(0x400n);
    }
  });

  it("the parameters of KeBugCheckEx stand in its registers and in its home space", async () => {
    const { view, event } = await crashed(LEAK);
    const { context } = view;
    expect([context.rcx, context.rdx, context.r8, context.r9]).toEqual([
      BigInt(event.stopCode),
      event.parameters[0],
      event.parameters[1],
      event.parameters[2],
    ]);
    expect(view.word(context.rsp + 0x28n)).toBe(event.parameters[3]);
  });

  it("every thread that waits unwinds from its saved stack pointer to where it began", async () => {
    const { view } = await crashed(LEAK);
    const system = view.processes.find(({ imageFileName }) => imageFileName === "System")!;
    const running = new Set(view.processors.map(({ currentThread }) => currentThread));
    const waiting = system.threads.filter(({ object }) => !running.has(object));
    expect(waiting.length).toBeGreaterThan(0);
    const swap = /KiSwapContext$/;
    for (const { kernelStack } of waiting) {
      // A switched-out thread stands in KiSwapContext, behind its prolog.
      const nt = view.modules[0]!;
      const swapContext = nt.dllBase + BigInt(exportOf(view, "KiSwapContext"));
      const frames = unwind(view, { rip: swapContext + 0x16n, rsp: kernelStack, registers: new Array(16).fill(0n) });
      expect(frames[0]!.name).toMatch(swap);
      expect(frames.at(-1)!.name).toBe("ntoskrnl.exe!KiStartSystemThread");
    }
  });

  it("the other processor, frozen where it was, unwinds too: idle, or in the middle of another driver", async () => {
    const seen = new Set<string>();
    for (let seed = 1; seed <= 12 && seen.size < 2; seed++) {
      const { view } = await crashed(
        `drivers:
  - { name: badge.sys, behaviour: null-dereference, options: { at: 50 ms } }
  - { name: netpump.sys, behaviour: map-and-unmap, options: { rate: 5000 per second, pages: 2 } }`,
        { seed },
      );
      const crashing = view.processors.findIndex(
        ({ contextFrame }) => contextX64.read(contextFrame).rip === view.context.rip,
      );
      const frames = unwind(view, startOf(contextX64.read(view.processors[1 - crashing]!.contextFrame)));
      seen.add(frames[0]!.name);
      expect(["ntoskrnl.exe!KiSystemStartup", "ntoskrnl.exe!KiStartSystemThread"]).toContain(frames.at(-1)!.name);
    }
    expect([...seen].sort()).toEqual(["hal.dll!HalProcessorIdle", "netpump.sys!BeginTransfer"]);
  });
});

describe.each([
  { irql: "dispatch", access: "write", stopCode: 0xd1, kind: [2n, 1n], via: ["KiBugCheckDispatch"] },
  { irql: "dispatch", access: "read", stopCode: 0xd1, kind: [2n, 0n], via: ["KiBugCheckDispatch"] },
  { irql: "passive", access: "write", stopCode: 0x50, kind: [2n], via: ["MiSystemFault", "MmAccessFault"] },
  { irql: "passive", access: "read", stopCode: 0x50, kind: [0n], via: ["MiSystemFault", "MmAccessFault"] },
])("a null pointer that is $access at $irql level", ({ irql, access, stopCode, kind, via }) => {
  it("stops the guest with the documented code, and the stack leads through the fault to the instruction", async () => {
    const { view, event } = await crashed(NULL_DEREFERENCE(`irql: ${irql}, access: ${access}, offset: 0x28`));
    expect(event.stopCode).toBe(stopCode);
    const [address, ...rest] = event.parameters;
    expect(address).toBe(0x28n);
    expect(rest.slice(0, kind.length)).toEqual(kind);
    const instruction = stopCode === 0xd1 ? rest[2] : rest[1];

    const frames = stackOf(view);
    expect(frames.map(({ name }) => name.replace("ntoskrnl.exe!", ""))).toEqual([
      "KeBugCheckEx",
      ...via,
      "KiPageFault",
      "badge.sys!UpdateStatistics",
      "badge.sys!TimerWork",
      "badge.sys!WorkerRoutine",
      "PspSystemThreadStartup",
      "KiStartSystemThread",
    ]);
    const faulting = frames.find(({ name }) => name === "badge.sys!UpdateStatistics")!;
    expect(faulting.rip).toBe(instruction);
    // mov rax, [rcx] or mov [rcx], rax
    expect([...view.memory.read(faulting.rip, 3)]).toEqual([0x48, access === "read" ? 0x8b : 0x89, 0x01]);
    const record = exceptionRecord64.read(view.header.exception);
    expect(record.exceptionCode).toBe(0xc000_0005);
    expect(record.exceptionAddress).toBe(instruction);
  });

  it("leaves CR2, the error code and the interrupted rcx in the trap frame", async () => {
    const { view, host } = await crashed(NULL_DEREFERENCE(`irql: ${irql}, access: ${access}, offset: 0x28`));
    const trap = stackOf(view).find(({ name }) => name.endsWith("KiPageFault"))!.rsp;
    expect(view.word(trap + 0xd0n)).toBe(0x28n); // FaultAddress
    expect(view.word(trap + 0x38n)).toBe(0x28n); // Rcx
    expect(view.word(trap + 0x160n)).toBe(access === "write" ? 2n : 0n); // ErrorCode: not present, supervisor
    const crashing = host.processors("subject").find(({ registers }) => registers.rip === view.context.rip)!;
    expect(crashing.registers.cr2).toBe(0x28n);
  });
});

function exportOf(view: View, name: string): number {
  const base = view.modules[0]!.dllBase;
  return exportsOf((at, bytes) => view.memory.read(base + BigInt(at), bytes)).get(name)!;
}
