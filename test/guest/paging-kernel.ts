import { Random } from "../../src/binary/index.ts";
import type { PageFileDevice } from "../../src/guest/index.ts";
import { Kernel } from "../../src/guest/kernel/kernel.ts";
import { type EngineKind, Hypervisor } from "../../src/hypervisor/index.ts";

/** A kernel without drivers, whose pageable memory leaves for that device. */
export function pagingKernel(pageFile: PageFileDevice | null, engine: EngineKind = "shadow"): Kernel {
  const partition = new Hypervisor({ memoryBytes: 16 * 2 ** 20 }).createPartition({
    name: "lab",
    memoryBytes: 16 * 2 ** 20,
    processors: 1,
    engine,
  });
  return new Kernel({
    partition,
    boot: 1,
    random: new Random(5),
    systemPtes: 1024,
    startedAt: 0n,
    armed: [],
    pageFile,
  });
}
