import { expect } from "vitest";
import { crashFacts } from "../../src/analysis/linux/crash-facts.ts";
import { type CrashReport, findCrashReport } from "../../src/analysis/linux/crash-report.ts";
import { type LinuxKernel, openKernel } from "../../src/analysis/linux/kernel.ts";
import { readPrintkRing } from "../../src/analysis/linux/printk-ring.ts";
import { framesOfCrash, processorStack } from "../../src/analysis/linux/processor-stack.ts";
import { type Dump, type DumpProcessor, openDump } from "../../src/dumpfile/index.ts";
import { withPeers } from "../peers.ts";
import { type LinuxAnswer, linuxAnswers, linuxDumpPath } from "./linux-answers.ts";

const { describe, it } = withPeers({ data: "linux/expected.json" });

/** Opens one of the real dumps, and what its log says of the crash. */
async function opened(
  file: string,
  test: (kernel: LinuxKernel, cpus: readonly DumpProcessor[], logged: CrashReport | null, answer: LinuxAnswer) => void,
  change = (dump: Dump) => dump,
) {
  const dump = change(await openDump(linuxDumpPath(file)));
  const kernel = openKernel(dump);
  const logged = findCrashReport(readPrintkRing(kernel.memory, kernel.info)?.records ?? []);
  test(kernel, dump.cpus, logged, linuxAnswers().find((answer) => answer.file === file)!);
  dump.close();
}

/** The dump of a machine that had its panic on processor 0. */
function panickedOnFirst(dump: Dump): Dump {
  const { memory } = dump;
  if (memory.kind !== "physical") throw new Error("a vmcore holds physical memory");
  const kernel = openKernel(dump);
  const at = kernel.memory.translate(kernel.symbols!.address("panic_cpu")!)!;
  const read = (address: number, length: number) => {
    const bytes = memory.read(address, length).slice();
    if (address <= at && at < address + length) bytes.fill(0, at - address, at - address + 4);
    return bytes;
  };
  const runs = () => memory.runs();
  const pageState = (page: number) => memory.pageState(page);
  return { ...dump, memory: { kind: "physical", read, runs, pageState } };
}

const leftOver = { function: "filp_close", offset: 0x31, size: 0x70, module: null, reliable: false };

describe("where the kernel printed what its stack happened to hold", () => {
  it("a jump into nowhere has the stack that memory shows, and through it a culprit", () =>
    opened("qemu-null-6.1.kdump", (kernel, cpus, logged, answer) => {
      const instruction = { frame: null, address: 0x6b6b_6b6b_6b6b_6b6bn };
      const lost: CrashReport = { ...logged!, instruction, frames: [leftOver] };
      const { stack, module } = crashFacts(kernel, lost, cpus);
      expect(stack.map((frame) => frame.function)).toEqual([
        answer.rip?.symbol,
        ...answer.call_trace.map(({ symbol }) => symbol),
      ]);
      expect(module?.name).toBe(answer.culprit?.module);
      const sure = crashFacts(kernel, { ...lost, frames: [{ ...leftOver, reliable: true }] }, cpus).stack;
      expect(sure.map((frame) => frame.function ?? null)).toEqual([null, "filp_close"]);
    }));

  it("a task that ran on another processor than its watcher's has the stack that it had there", () =>
    opened("qemu-live-6.12cloud.kdump", (kernel, cpus, _, { note_cpus }) => {
      const [name, pid] = note_cpus[1]!.curr.split("/");
      const stalled: CrashReport = {
        title: "Kernel panic - not syncing: RCU Stall",
        alternativeTitles: [],
        class: "rcu-stall",
        panicLine: null,
        processor: 0,
        process: { name: name!, pid: Number(pid) },
        instruction: null,
        registers: new Map(),
        frames: [leftOver],
        seconds: 1,
        caller: { kind: "processor", id: 0 },
      };
      const { stack, processor, address } = crashFacts(kernel, stalled, cpus);
      expect(processor).toBe(1);
      expect(address).toBe(note_cpus[1]!.rip);
      expect(`${stack[0]?.function}+${stack[0]?.offset}`).toBe(note_cpus[1]!.sym);
      expect(stack.at(-1)?.function).toBe("entry_SYSCALL_64_after_hwframe");
    }));

  it("what interrupted it there is not part of its stack", () =>
    opened(
      "qemu-null-6.1.kdump",
      (kernel, cpus, logged, answer) => {
        const { stack, processor } = crashFacts(kernel, { ...logged!, instruction: null, frames: [leftOver] }, cpus);
        expect(processor).toBe(answer.crash_cpu);
        expect(stack.map((frame) => frame.function)).toEqual([
          answer.rip?.symbol,
          ...answer.call_trace.map(({ symbol }) => symbol),
        ]);
      },
      panickedOnFirst,
    ));

  it("what the panicking processor printed of its own task stays", () =>
    opened("qemu-null-6.1.kdump", (kernel, cpus, logged) => {
      const { stack } = crashFacts(kernel, { ...logged!, instruction: null, frames: [leftOver] }, cpus);
      expect(stack).toMatchObject([{ function: "filp_close", via: "log, unsure" }]);
    }));
});

describe("a jump behind the end of the kernel", () => {
  it("is not taken for code of its last function", () =>
    opened("qemu-null-6.1.kdump", (kernel, cpus, _, answer) => {
      const { registers } = cpus[answer.crash_cpu!]!;
      const [, ...callers] = framesOfCrash(processorStack(kernel, registers)?.frames ?? []);
      const nowhere = 0xffff_ffff_fe00_0000n;
      const pushed = callers[0]!.stackPointer - 8n;
      const found = processorStack(kernel, { ...registers, rip: nowhere, rsp: pushed });
      expect(found?.frames.map(({ address }) => address)).toEqual([nowhere, ...callers.map(({ address }) => address)]);
      expect(found?.whole).toBe(true);
    }));
});
