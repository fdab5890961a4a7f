import type { PhysicalMemory } from "../../binary/index.ts";
import type { PageExchange } from "../../guest/index.ts";
import { Hypervisor, type Partition } from "../../hypervisor/index.ts";
import type { ArmedCheck } from "../host.ts";
import { HypervisorWatch, watchOf } from "./hypervisor-watch.ts";
import { HostPageExchange } from "./page-exchange.ts";
import type { Scenario, ScenarioPartition } from "./scenario/schema.ts";

/** One start of a host: its hypervisor, the dump partition, and what watches over both. The next start has others. */
export class HostStart {
  readonly hypervisor: Hypervisor;
  readonly watch: HypervisorWatch;
  readonly #exchange: HostPageExchange;
  readonly #dumper: Partition;

  /** @param start `arm`: checks for the hypervisor; `now`: host time in 100 ns; `seed`: of this start's own chance */
  constructor(
    scenario: Scenario,
    { arm, now, seed }: { readonly arm: readonly ArmedCheck[]; readonly now: number; readonly seed: number },
  ) {
    const { host, dumpPartition } = scenario;
    this.hypervisor = new Hypervisor({ memoryBytes: host.memory });
    this.#exchange = new HostPageExchange(this.hypervisor);
    this.#dumper = this.hypervisor.createPartition({
      name: dumpPartition.name,
      memoryBytes: dumpPartition.memory,
      processors: 1,
      rights: "all-physical-memory",
    });
    this.hypervisor.designateDumpPartition(this.#dumper);
    this.watch = new HypervisorWatch(this.hypervisor, watchOf(scenario, arm, now, seed));
  }

  /** A partition, and its way to the pages of others. @param nonVolatile what its store held before; null: it is new */
  create(
    { name, memory, processors, engine }: ScenarioPartition,
    nonVolatile: Uint8Array | null,
  ): { readonly partition: Partition; readonly exchange: PageExchange } {
    const partition = this.hypervisor.createPartition({ name, memoryBytes: memory, processors, engine });
    if (nonVolatile) partition.nonVolatile.set(nonVolatile);
    return { partition, exchange: this.#exchange.of(partition) };
  }

  /** All system physical memory, as the dump partition may read it. */
  machineMemory(): PhysicalMemory {
    return this.hypervisor.physicalMemory(this.#dumper);
  }

  /** That of a partition, as the dump partition may read it. */
  memoryOf(partition: Partition): PhysicalMemory {
    return this.hypervisor.guestMemory(this.#dumper, partition);
  }
}
