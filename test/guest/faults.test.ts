import { describe, expect, it } from "vitest";
import { Random } from "../../src/binary/index.ts";
import { exceptionRecord64 } from "../../src/dumpfile/index.ts";
import { Kernel } from "../../src/guest/kernel/kernel.ts";
import { Hypervisor } from "../../src/hypervisor/index.ts";
import { crashed } from "./lab.ts";

function bareKernel(): Kernel {
  const memoryBytes = 16 * 2 ** 20;
  const hypervisor = new Hypervisor({ memoryBytes });
  const partition = hypervisor.createPartition({ name: "lab", memoryBytes, processors: 1, engine: "shadow" });
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

/** Lets events happen until the kernel stops; its stop code and parameters. */
function stopOf(kernel: Kernel): readonly bigint[] {
  while (kernel.partition.state === "running") kernel.step();
  return [...kernel.partition.crash!.parameters];
}

const by = (driver: string) => crashed(`drivers:\n  - ${driver}`);

describe("a fault that nobody has foreseen", () => {
  it("in the kernel's own code is a stop of the guest, with the kernel's instruction, and no fault of the model", () => {
    const kernel = bareKernel();
    const address = 0xffff_8000_0000_1000n;
    kernel.clock.after(10, () => kernel.memory.processor.readU64(address));
    const [code, where, access, rip] = stopOf(kernel);
    expect([code, where, access]).toEqual([0x50n, address, 0n]);
    expect(kernel.images.imageAt(rip!)?.name).toBe("hal.dll");
  });
});

describe("a write to memory that is read-only", () => {
  it("is 0xBE with the page-table entry, and has changed nothing", async () => {
    const { event, view } = await by("{ name: hookmon.sys, behaviour: write-to-read-only, options: { at: 1 s } }");
    const [address, entry] = event.parameters;
    expect(event.stopCode).toBe(0xbe);
    // Present, and not writable.
    expect(entry & 3n).toBe(1n);
    // The function's first instruction: push rbx, as the assembler wrote it.
    expect(view.memory.read(address, 1)[0]).toBe(0x53);
  });
});

describe("a kernel stack that is used up", () => {
  it.each([16, 256, 2048])(
    "by calls of %d bytes of locals is a double fault at the call that found no room",
    async (frame) => {
      const { event, host } = await by(
        `{ name: nestfs.sys, behaviour: stack-overflow, options: { at: 1 s, frame: ${frame} } }`,
      );
      expect(event.stopCode).toBe(0x7f);
      const [trap, trapFrame, rsp] = event.parameters;
      expect(trap).toBe(8n);
      // On another stack than the one that was used up.
      expect(trapFrame - rsp > 0x1000n || rsp - trapFrame > 0x1000n).toBe(true);
      const [running] = host.processors("subject").filter(({ registers }) => registers.cr8 === 15n);
      const now = running!.registers.rsp!;
      expect(now < trapFrame && trapFrame - now < 0x1000n).toBe(true);
    },
  );
});

describe("an entry that is taken off its list twice", () => {
  it("is 0x139 with 3 and the exception record, whose instruction is int 29h", async () => {
    const { event, view } = await by("{ name: queuemgr.sys, behaviour: corrupt-list, options: { at: 1 s } }");
    expect([event.stopCode, event.parameters[0]]).toEqual([0x139, 3n]);
    const record = exceptionRecord64.read(view.memory.read(event.parameters[2], exceptionRecord64.size));
    expect(record.exceptionCode).toBe(0xc000_0409);
    expect([...view.memory.read(record.exceptionAddress, 2)]).toEqual([0xcd, 0x29]);
  });
});
