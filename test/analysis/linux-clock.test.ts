import { describe, expect, it } from "vitest";
import { Btf } from "../../src/analysis/linux/btf.ts";
import { readClock } from "../../src/analysis/linux/clock.ts";
import { Kallsyms } from "../../src/analysis/linux/kallsyms.ts";
import { KernelMemory } from "../../src/analysis/linux/kernel-memory.ts";
import { BuiltBtf, KIND } from "./linux-built-btf.ts";
import { BASE, buildKallsyms } from "./linux-built-kallsyms.ts";
import { imageMap } from "./linux-built-kernel.ts";

const CORE = BASE + 0x800n;

/** Structures as in 6.1, but for what lies between the members. */
function timekeeperTypes(): Btf {
  const btf = new BuiltBtf();
  const long = btf.type(KIND.int, "long", 8, [64]);
  const int = btf.type(KIND.int, "int", 4, [32]);
  const read = btf.structure("tk_read_base", 24, [
    ["shift", int, 0],
    ["xtime_nsec", long, 64],
  ]);
  const timespec = btf.structure("timespec64", 16, [
    ["tv_sec", long, 0],
    ["tv_nsec", long, 64],
  ]);
  btf.structure("timekeeper", 56, [
    ["tkr_mono", read, 0],
    ["xtime_sec", long, 24 * 8],
    ["ktime_sec", long, 32 * 8],
    ["wall_to_monotonic", timespec, 40 * 8],
  ]);
  return Btf.parse(btf.bytes)!;
}

/** The wall clock shows 1,700,000,100.5 s, and the machine has run for 100.75 s. */
function clockAt(timekeeper: bigint) {
  const { memory, info } = buildKallsyms([{ name: "_stext", at: 0 }, tkCore, { name: "_end", at: 0x1000 }], false);
  memory.u64(CORE, 0x1234n);
  memory.u32(timekeeper, 8);
  memory.u64(timekeeper + 8n, 500_000_000n << 8n);
  memory.u64(timekeeper + 24n, 1_700_000_100n);
  memory.u64(timekeeper + 32n, 100n);
  memory.u64(timekeeper + 40n, BigInt.asUintN(64, -1_700_000_000n));
  memory.u64(timekeeper + 48n, 250_000_000n);
  const kernel = new KernelMemory(memory, imageMap);
  return { memory, clock: () => readClock(new KernelMemory(memory, imageMap), Kallsyms.read(kernel, info)!, types) };
}

const types = timekeeperTypes();
const tkCore = { name: "tk_core", at: Number(CORE - BASE) };

describe("the kernel's clock", () => {
  it.each([
    ["a bare sequence counter", 8n],
    ["a counter that names its lock, as in PREEMPT_RT kernels", 16n],
  ])("is read behind %s", (_, offset) => {
    expect(clockAt(CORE + offset).clock()).toEqual({ realSeconds: 1_700_000_100.5, monotonicSeconds: 100.75 });
  });

  it("is unknown where wall clock and monotonic clock disagree", () => {
    const { memory, clock } = clockAt(CORE + 8n);
    memory.u64(CORE + 8n + 32n, 101n);
    expect(clock()).toBeNull();
  });
});
