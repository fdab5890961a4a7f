import { describe, expect, it } from "vitest";
import { Random } from "../../src/binary/index.ts";
import type { ArmedKernelCheck } from "../../src/guest/checks/armed-checks.ts";
import { Kernel } from "../../src/guest/kernel/kernel.ts";
import { Hypervisor } from "../../src/hypervisor/index.ts";

function kernelWith(check: ArmedKernelCheck["check"]): Kernel {
  const memoryBytes = 16 * 2 ** 20;
  const hypervisor = new Hypervisor({ memoryBytes });
  const partition = hypervisor.createPartition({ name: "lab", memoryBytes, processors: 1, engine: "shadow" });
  const armed = [{ check, target: null }];
  const random = new Random(5);
  return new Kernel({ partition, boot: 1, random, systemPtes: 1024, startedAt: 0n, armed, pageFile: null });
}

describe("records of locked pages", () => {
  const lock = (mdl: bigint, process = 0x100n) => ({ mdl, process, pages: 1, caller: 1n, callersCaller: 2n });

  it("know what is locked, and of which process", () => {
    const locks = kernelWith("locked-page-tracking").locks!;
    locks.locked(lock(0x10n));
    locks.locked(lock(0x20n, 0x200n));
    expect([locks.ofProcess(0x100n)?.mdl, locks.ofProcess(0x200n)?.mdl, locks.ofProcess(0x300n)]).toEqual([
      ...[0x10n, 0x20n, null],
    ]);
    expect([locks.unlocked(0x10n), locks.unlocked(0x10n)]).toEqual([true, false]);
    expect(locks.ofProcess(0x100n)).toBeNull();
  });

  it("accuse nobody any more once a lock has found no room", () => {
    const locks = kernelWith("locked-page-tracking").locks!;
    for (let mdl = 1n; mdl <= 256n; mdl++) locks.locked(lock(mdl));
    expect(locks.unlocked(0x1000n)).toBe(false);
    locks.locked(lock(0x1000n));
    expect([locks.unlocked(0x1000n), locks.unlocked(0x2000n)]).toEqual([true, true]);
  });
});

describe("records of mappings", () => {
  const { mappings, systemPtes } = kernelWith("pte-misuse");
  const unmapping = (mdl: bigint, index: number) => ({
    ...{ mdl, address: systemPtes.address(index), pages: 2, firstFrame: 7, startVa: 0x5000n },
  });
  const map = (mdl: bigint, index: number) => mappings!.mapped({ ...unmapping(mdl, index), caller: 1n });
  const free = (mdl: bigint, index: number) => mappings!.freed(unmapping(mdl, index))?.[0] ?? "sound";

  it("tell a second free for as long as the first is remembered, also when the PTEs are another's by then", () => {
    map(0x1n, 900);
    map(0x10n, 100);
    expect(free(0x10n, 100)).toBe("sound");
    map(0x20n, 100);
    expect(free(0x10n, 100)).toBe(1n);
    for (let number = 0; number < 1100; number++) {
      const mdl = BigInt(0x1000 + number);
      map(mdl, 300);
      expect(free(mdl, 300)).toBe("sound");
    }
    expect(free(0x10n, 100)).toBe(6n);
    // What is in force has not been overwritten meanwhile.
    expect([free(0x20n, 100), free(0x1n, 900)]).toEqual(["sound", "sound"]);
  });

  it("tell what does not fit: the first frame, the buffer, an address outside of the system PTEs", () => {
    map(0x30n, 500);
    expect(mappings!.freed({ ...unmapping(0x30n, 500), firstFrame: 8 })).toMatchObject([4n, expect.anything(), 7n, 8n]);
    expect(mappings!.freed({ ...unmapping(0x30n, 500), startVa: 0x6000n })?.slice(2)).toEqual([0x5000n, 0x6000n]);
    expect(mappings!.freed({ ...unmapping(0x40n, 500), address: 0x1000n })).toEqual([6n, 0x40n, 0x1000n, 2n]);
  });
});
