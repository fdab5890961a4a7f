import { describe, expect, it } from "vitest";
import { NT_STATUS, TICKS_PER_SECOND } from "../../src/guest/index.ts";
import { Services } from "../../src/guest/kernel/services.ts";
import { startStackSwapper } from "../../src/guest/threads/stack-swapper.ts";
import { HeldPageFile } from "./held-page-file.ts";
import { pagingKernel } from "./paging-kernel.ts";

const STACK_PAGES = 6;

/** A kernel with its swapper, and a thread whose routine sleeps in user mode and then takes note of the time. */
function sleeper(seconds: number, device: HeldPageFile | null = new HeldPageFile(STACK_PAGES), times = 1) {
  const kernel = pagingKernel(device);
  const services = new Services(kernel);
  startStackSwapper(kernel, services);
  const { processes, images, dispatcher, clock, memory } = kernel;
  const start = images.find("nt!PspUserThreadStartup");
  const thread = processes.createThread(processes.system, start.address);
  thread.enter(start);
  const woke: number[] = [];
  const routine = function* () {
    for (let time = 0; time < times; time++) {
      yield* services.delayInUserMode(thread, seconds);
      woke.push(clock.now / TICKS_PER_SECOND);
    }
  };
  thread.routine = routine();
  dispatcher.makeReady(thread);
  const content = () => memory.processor.read(thread.stackLimit, STACK_PAGES * 4096);
  /** Lets the guest go on until a moment; the page file answers once in a while. */
  const run = (until: number, answers = true) => {
    while (clock.next <= until * TICKS_PER_SECOND && kernel.partition.state === "running") {
      kernel.step();
      if (answers) device?.complete();
    }
  };
  return { kernel, device: device!, thread, woke, content, run };
}

describe("the kernel stack of a thread that waits in user mode", () => {
  it("leaves after a while, gives its frames away, and is as it was when the thread goes on", () => {
    const { kernel, thread, woke, content, run } = sleeper(20);
    run(1);
    const before = content();
    expect(before.some((byte) => byte !== 0)).toBe(true);
    const available = kernel.frames.available;
    kernel.stacks.trim();
    expect(kernel.pageable.isAbsent(thread.stackLimit)).toBe(false);
    run(5);
    kernel.stacks.trim();
    run(6);
    for (let page = 0; page < STACK_PAGES; page++)
      expect(kernel.pageable.isAbsent(thread.stackLimit + BigInt(4096 * page))).toBe(true);
    expect(kernel.frames.available).toBe(available + STACK_PAGES);
    expect(kernel.frames.available).toBeGreaterThan(0);
    run(19.9);
    expect(woke).toEqual([]);
    let back: Uint8Array | null = null;
    const { broughtBack } = kernel.stacks;
    kernel.stacks.broughtBack = function (own) {
      back = content();
      broughtBack.call(this, own);
    };
    run(21);
    expect(woke).toHaveLength(1);
    expect(back).toEqual(before);
  });

  it("is waited for: the thread does not run before all of it is there", () => {
    const { kernel, device, woke, run } = sleeper(10);
    run(5);
    kernel.stacks.trim();
    run(6);
    run(12, false);
    let read = 0;
    for (; device.held.length > 0; read++) {
      expect(woke).toEqual([]);
      device.complete(1);
      run(13 + read, false);
    }
    expect(read).toBe(STACK_PAGES);
    expect(woke).toHaveLength(1);
    expect(woke[0]).toBeGreaterThan(13);
  });

  it("is written again only where the thread has changed it", () => {
    const { kernel, device, thread, content, run } = sleeper(6, new HeldPageFile(STACK_PAGES), 2);
    run(5);
    kernel.stacks.trim();
    run(7);
    device.written.length = 0;
    const before = content();
    run(11.5);
    kernel.stacks.trim();
    run(12);
    // What it has called since is in the topmost page; those below, which came in ahead, are as they were.
    expect(device.written).toContain(STACK_PAGES - 1);
    expect(device.written.length).toBeLessThan(STACK_PAGES);
    run(13);
    expect(kernel.pageable.isAbsent(thread.stackLimit)).toBe(false);
    expect(content().subarray(0, 4096)).toEqual(before.subarray(0, 4096));
  });

  it("is not fetched where it has not left: the wait was short, or there is no page file", () => {
    for (const [seconds, device] of [
      [3, new HeldPageFile(STACK_PAGES)],
      [10, null],
    ] as const) {
      const { kernel, woke, run } = sleeper(seconds, device);
      run(2.5);
      kernel.stacks.trim();
      run(8);
      kernel.stacks.trim();
      run(11);
      expect(woke[0]).toBeCloseTo(seconds, 5);
      if (device !== null) expect(device.contents.size).toBe(0);
    }
  });

  it("stops the guest with 0x77 where a page of it cannot be read", () => {
    const { kernel, device, woke, run } = sleeper(10);
    run(5);
    kernel.stacks.trim();
    run(6);
    device.bad.set(4, NT_STATUS.unreadable);
    run(12);
    expect(woke).toEqual([]);
    expect(kernel.partition.crash!.parameters).toEqual([0x77n, 0xc000009cn, 0xc000009cn, 0n, 4n]);
  });
});
