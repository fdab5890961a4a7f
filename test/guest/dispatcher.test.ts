import { describe, expect, it } from "vitest";
import { Random } from "../../src/binary/index.ts";
import { ethread, kprcb } from "../../src/dumpfile/index.ts";
import { Kernel } from "../../src/guest/kernel/kernel.ts";
import type { Thread } from "../../src/guest/threads/thread.ts";
import { Hypervisor } from "../../src/hypervisor/index.ts";

function kernelWith(processors: number): Kernel {
  const partition = new Hypervisor({ memoryBytes: 16 * 2 ** 20 }).createPartition({
    name: "lab",
    memoryBytes: 16 * 2 ** 20,
    processors,
  });
  return new Kernel({
    partition,
    boot: 1,
    random: new Random(5),
    systemPtes: 1024,
    startedAt: 0n,
    armed: [],
    pageFile: null,
  });
}

const start = (kernel: Kernel, routine: (thread: Thread) => Thread["routine"]): Thread => {
  const thread = kernel.processes.createThread(kernel.processes.system, 0n);
  thread.routine = routine(thread);
  kernel.dispatcher.makeReady(thread);
  return thread;
};

/** What a debugger would see: which thread each KPRCB runs. */
const running = (kernel: Kernel) =>
  kernel.processors.map(({ controlBlock }) =>
    kernel.memory.processor.readU64(controlBlock + BigInt(kprcb.fields.currentThread.offset)),
  );

const runUntil = (kernel: Kernel, ticks: number) => {
  while (kernel.clock.next <= ticks) kernel.step();
};

describe("the dispatcher", () => {
  it("runs threads that are ready at the same time on different processors, and the third when one is free", () => {
    const kernel = kernelWith(2);
    const busy = function* () {
      yield { kind: "compute", seconds: 0.001 } as const;
    };
    const [first, second, third] = [start(kernel, busy), start(kernel, busy), start(kernel, busy)];
    runUntil(kernel, 5_000);
    expect(running(kernel)).toEqual([first.object, second.object]);
    runUntil(kernel, 15_000);
    expect(running(kernel)).toContain(third.object);
    runUntil(kernel, 40_000);
    expect(running(kernel)).toEqual(kernel.processors.map(({ idle }) => idle.object));
  });

  it("gives the processor to another thread while one sleeps, and keeps its stack as it was", () => {
    const kernel = kernelWith(1);
    const order: string[] = [];
    const saved: bigint[] = [];
    const sleeper = start(kernel, function* (thread) {
      thread.enter(kernel.images.find("nt!KiStartSystemThread"));
      thread.enter(kernel.images.find("nt!PspSystemThreadStartup"), [], "SystemRoutine");
      thread.enter(kernel.images.find("nt!PspUserThreadStartup"), [], "StartRoutine");
      thread.enter(kernel.images.find("nt!KeWaitForSingleObject"));
      const before = thread.rsp;
      for (let round = 0; round < 3; round++) {
        order.push(`sleeper ${round}`);
        thread.enter(kernel.images.find("nt!KiCommitThreadWait"));
        saved.push(thread.rsp);
        yield { kind: "sleep", seconds: 0.01 };
        thread.leave();
      }
      expect(thread.rsp).toBe(before);
    });
    start(kernel, function* () {
      for (let round = 0; round < 3; round++) {
        order.push(`other ${round}`);
        yield { kind: "sleep", seconds: 0.01 };
      }
    });
    runUntil(kernel, 10_000);
    const { kernelStack, state } = ethread.fields;
    expect(kernel.memory.processor.readU64(sleeper.object + BigInt(kernelStack.offset))).toBe(saved[0]);
    expect(kernel.memory.processor.readU8(sleeper.object + BigInt(state.offset))).toBe(5); // Waiting
    runUntil(kernel, 1_000_000);
    expect(order).toEqual(["sleeper 0", "other 0", "sleeper 1", "other 1", "sleeper 2", "other 2"]);
    expect(new Set(saved).size).toBe(1);
  });
});
