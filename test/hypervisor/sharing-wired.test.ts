import { describe, expect, it } from "vitest";
import { PAGE_SIZE } from "../../src/binary/index.ts";
import { Hypervisor, MAP_READ, type Partition, type SharingRequest } from "../../src/hypervisor/index.ts";
import { enterLongMode, map, PTE } from "./guest-tables.ts";

const MIB = 2 ** 20;

function lab() {
  const hypervisor = new Hypervisor({ memoryBytes: 8 * MIB });
  const make = (name: string) => hypervisor.createPartition({ name, memoryBytes: MIB, processors: 1 });
  const [owner, requester] = [make("owner"), make("requester")];
  hypervisor.sharing.setAside(owner, owner.memory.pages, 8);
  hypervisor.sharing.allowDma(owner, 0, 16);
  hypervisor.sharing.allowDma(requester, 0, 16);
  return { hypervisor, owner, requester };
}

function shared(hypervisor: Hypervisor, owner: Partition, requester: Partition): SharingRequest {
  const order = { owner, pages: [3], requester, bufferPage: 5, device: "disk", direction: "to-shared" as const };
  const answer = hypervisor.sharing.request(order);
  if (answer.status !== "success") throw new Error(answer.status);
  return answer.request;
}

describe("page sharing, as the hypervisor enforces it", () => {
  it("3.4/9: a page with a pending access can be neither unmapped nor protected by its owner, and can again afterwards", () => {
    const { hypervisor, owner, requester } = lab();
    const request = shared(hypervisor, owner, requester);
    const inUse = expect.objectContaining({ code: "hypervisor/object-in-use" });
    expect(() => owner.memory.unmap(3, 1)).toThrowError(inUse);
    expect(() => owner.memory.protect(2, 4, MAP_READ)).toThrowError(inUse);
    expect(owner.memory.hostFrame(3)).not.toBeNull();
    hypervisor.sharing.complete(request);
    owner.memory.unmap(3, 1);
    expect(owner.memory.hostFrame(3)).toBeNull();
  });

  it("3.4/11: a partition that ends or is reset takes its pending accesses with it", () => {
    for (const end of ["destroy", "reset"] as const) {
      const { hypervisor, owner, requester } = lab();
      shared(hypervisor, owner, requester);
      if (end === "destroy") hypervisor.destroy(requester);
      else requester.reset();
      expect(hypervisor.sharing.report()).toMatchObject({ inFlight: [], transfers: [], faults: [] });
      expect(hypervisor.counters()).toMatchObject({ sharingRequestsPending: 0, sharingRequestsDrained: 1 });
      owner.memory.write(3 * PAGE_SIZE, new Uint8Array(8).fill(7));
      owner.memory.unmap(3, 1);
    }
  });

  it("shadow paging 1.4/17: a device that reads a page table finds the flags that are pending in it", () => {
    const hypervisor = new Hypervisor({ memoryBytes: 8 * MIB });
    const make = (name: string) =>
      hypervisor.createPartition({ name, memoryBytes: MIB, processors: 1, engine: "shadow" });
    const [owner, requester] = [make("owner"), make("requester")];
    hypervisor.sharing.setAside(owner, owner.memory.pages, 8);
    hypervisor.sharing.allowDma(owner, 0, 16);
    hypervisor.sharing.allowDma(requester, 0, 16);
    const processor = owner.processors[0]!;
    enterLongMode(owner.memory, processor);
    map(owner.memory, 2, 0x20);
    const order = { owner, pages: [4], requester, bufferPage: 5, device: "disk", direction: "from-shared" as const };
    const answer = hypervisor.sharing.request(order);
    if (answer.status !== "success") throw new Error(answer.status);
    processor.writeU8(0x2000n, 1);
    expect(owner.memory.readU64(PTE(2))).toBe(0x2_0003n);
    hypervisor.sharing.dma.run(answer.request.descriptor, PAGE_SIZE);
    expect(requester.memory.readU64(5 * PAGE_SIZE + 16)).toBe(0x2_0063n);
    // Of the tables above, which the device does not read, nothing is written.
    expect(owner.memory.readU64(0x1000)).toBe(0x2007n);
  });
});
