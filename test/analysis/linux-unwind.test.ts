import { existsSync } from "node:fs";
import { afterAll, beforeAll, expect } from "vitest";
import { linuxFacts } from "../../src/analysis/linux/index.ts";
import { openKernel } from "../../src/analysis/linux/kernel.ts";
import { framesOfCrash, type PlacedFrame, processorStack } from "../../src/analysis/linux/processor-stack.ts";
import { hex } from "../../src/binary/index.ts";
import { type Dump, openDump } from "../../src/dumpfile/index.ts";
import { sharedData, withPeers } from "../peers.ts";
import { type LinuxAnswer, linuxAnswers, linuxDumpPath } from "./linux-answers.ts";

const DATA = "linux/expected.json";
const answers = existsSync(sharedData(DATA)) ? linuxAnswers() : ([{ file: "six dumps" }] as LinuxAnswer[]);
const { describe, it } = withPeers({ data: DATA });

interface Where {
  readonly symbol: string | null | undefined;
  readonly offset: string | null | undefined;
  readonly module: string | null | undefined;
}

/** What the kernel's own unwinder printed; panic() itself and what prints its trace are not part of the way to it. */
const printed = ({ rip, call_trace }: LinuxAnswer): Where[] =>
  [...(rip ? [rip] : []), ...call_trace]
    .filter(({ symbol }) => symbol !== "dump_stack_lvl" && symbol !== "panic")
    .map(({ symbol, offset, module }) => ({ symbol, offset, module }));

const placed = (frames: readonly PlacedFrame[]): Where[] =>
  frames.map(({ place }) => ({
    symbol: place?.function,
    offset: hex(place?.offset ?? -1),
    module: place?.module?.name ?? null,
  }));

for (const answer of answers)
  describe(`unwinding a real kernel's stacks, ${answer.file}`, () => {
    let dump: Dump;
    beforeAll(async () => {
      dump = await openDump(linuxDumpPath(answer.file));
    });
    afterAll(() => dump.close());

    it("follows every processor's stack to its end", () => {
      const kernel = openKernel(dump);
      expect(dump.cpus.length).toBe(answer.cpus);
      for (const { registers } of dump.cpus) {
        const stack = processorStack(kernel, registers);
        expect(stack?.whole).toBe(true);
        expect(stack?.frames.at(-1)?.place?.function).toMatch(
          /^(?:entry_SYSCALL_64_after_hwframe|asm_exc_page_fault|ret_from_fork\w*|secondary_startup_64\w*|common_startup_64)$/,
        );
      }
    });

    it("finds on the panicking processor the frames that the kernel itself printed", () => {
      const registers = dump.cpus[answer.crash_cpu ?? 0]!.registers;
      const frames = processorStack(openKernel(dump), registers)?.frames ?? [];
      if (answer.panicked) expect(placed(framesOfCrash(frames))).toEqual(printed(answer));
    });

    it("has the same crash from memory alone, when the log cannot be read", () => {
      const { header } = dump;
      if (header.kind === "windows" || !header.vmcoreinfo) throw new Error("a Linux dump has VMCOREINFO");
      const mute = {
        ...dump,
        header: { ...header, vmcoreinfo: header.vmcoreinfo.replace("SYMBOL(prb)=", "SYMBOL(lost)=") },
      };
      const { crash, log } = linuxFacts(mute);
      expect(log).toEqual({ records: [], complete: false });
      expect(crash).toMatchObject({ title: null, panicked: answer.panicked, processor: answer.crash_cpu });
      expect(crash?.process).toEqual(
        answer.crash_pid === null ? null : { name: answer.crash_comm, pid: answer.crash_pid },
      );
      expect(crash?.stack.map(({ function: symbol, offset, module }) => ({ symbol, offset, module }))).toEqual(
        printed(answer),
      );
      expect(crash?.function ?? null).toBe(answer.rip?.symbol ?? null);
      expect(crash?.module?.name ?? null).toBe(answer.culprit?.module ?? null);
      expect(crash?.registers?.rip ?? null).toBe(
        answer.file.startsWith("kexec") ? answer.note_cpus[answer.crash_cpu!]!.rip : null,
      );
    });
  });
