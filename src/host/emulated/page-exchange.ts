import type { ExchangeDirection, PageExchange, PageTransfer } from "../../guest/index.ts";
import type { DmaDescriptor, Hypervisor, Partition, SharingRequest } from "../../hypervisor/index.ts";

/** Pages that others may have mapped at one time in a partition that shares. */
const TEMPORARY_PAGES = 64;

/**
 * Where the partitions of a host find each other's pages: what each offers, and the way to the hypervisor's page sharing
 * for those who ask.
 */
export class HostPageExchange {
  readonly #hypervisor: Hypervisor;
  readonly #offers = new Map<Partition, readonly number[]>();

  constructor(hypervisor: Hypervisor) {
    this.#hypervisor = hypervisor;
  }

  /** The exchange as the guest in a partition sees it. */
  of(partition: Partition): PageExchange {
    partition.beforeReset(() => this.#offers.delete(partition));
    return {
      offer: (frames) => this.#offer(partition, frames),
      begin: (owner, direction, { first, pages, bufferFrame }) => {
        const offered = this.#offered(owner).slice(first, first + pages);
        if (offered.length < pages) return null;
        const { sharing } = this.#hypervisor;
        sharing.allowDma(partition, bufferFrame, pages);
        const answer = sharing.request({
          owner: this.#hypervisor.partition(owner),
          pages: offered,
          requester: partition,
          bufferPage: bufferFrame,
          device: `exchange of ${partition.name}`,
          direction: direction === "read" ? "from-shared" : "to-shared",
        });
        return answer.status === "success" ? this.#transfer(answer.request, owner, direction) : null;
      },
    };
  }

  #offer(partition: Partition, frames: readonly number[]): void {
    const { sharing } = this.#hypervisor;
    // The range lies behind the partition's own memory, where nothing is.
    if (!this.#offers.has(partition)) sharing.setAside(partition, partition.memory.pages, TEMPORARY_PAGES);
    this.#offers.set(partition, frames);
    for (const frame of frames) sharing.allowDma(partition, frame, 1);
  }

  /** What a partition offers; nothing while it does not run. */
  #offered(name: string): readonly number[] {
    const partition = this.#hypervisor.partition(name);
    return partition.state === "running" ? (this.#offers.get(partition) ?? []) : [];
  }

  #transfer(request: SharingRequest, owner: string, direction: ExchangeDirection): PageTransfer {
    const { sharing } = this.#hypervisor;
    const { descriptor } = request;
    const stateNow = (): ReturnType<PageTransfer["move"]> =>
      descriptor.state === "done" ? "done" : isAtWork(descriptor) ? "moving" : "over";
    return {
      owner,
      direction,
      move: (bytes) => {
        // The memory of a partition that stopped is to stay as it is.
        if (this.#hypervisor.partition(owner).state === "running") sharing.dma.run(descriptor, bytes);
        return stateNow();
      },
      // One that was drained, because its owner started anew, has ended already.
      end: () => {
        if (descriptor.state !== "aborted") sharing.complete(request);
      },
    };
  }
}

function isAtWork({ state }: DmaDescriptor): boolean {
  return state === "programmed" || state === "moving";
}
