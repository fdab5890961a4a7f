import { DMA_REMAPPING_EXPORT, dmaMapping, dmaRemapping } from "../../dumpfile/index.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { OutOfPageFrames } from "../memory/page-frames.ts";

const MAPPED = 1;
const UNMAPPED = 2;

type Mapping = ReturnType<typeof dmaMapping.read>;

/**
 * What an IOMMU's page tables say: which pages each device may write to, as its driver has mapped them for DMA. It lies in nonpaged guest memory.
 * What was unmapped stays recorded until its place is needed: who reads the dump sees whose page it had been.
 */
export class DmaRemapping {
  readonly #kernel: Kernel;
  readonly #mappings: bigint;
  readonly #capacity: number;

  constructor(kernel: Kernel, allocatePages: (bytes: number) => bigint) {
    this.#kernel = kernel;
    this.#capacity = kernel.physical.pages;
    this.#mappings = allocatePages(this.#capacity * dmaMapping.size);
    const block = { mappings: this.#mappings, capacity: this.#capacity };
    kernel.memory.put(dmaRemapping, kernel.variable(DMA_REMAPPING_EXPORT), block);
  }

  /**
   * @param caller return address in the driver
   * @throws OutOfPageFrames when as many pages are mapped as the machine has
   */
  map(device: bigint, frame: number, caller: bigint): void {
    const at = this.#find(frame, ({ state }) => state !== MAPPED);
    if (at === 0n) throw new OutOfPageFrames("there is no room for another mapping for DMA");
    this.#kernel.memory.put(dmaMapping, at, { device, frame, state: MAPPED, mappedBy: caller, unmappedBy: 0n });
    this.#kernel.checks.written++;
  }

  /** From now on the device may not write there, unless it has been mapped for it once more. */
  unmap(device: bigint, frame: number, caller: bigint): void {
    const at = this.#findMapped(device, frame);
    if (at === 0n) return;
    this.#kernel.memory.put(dmaMapping, at, { state: UNMAPPED, unmappedBy: caller });
    this.#kernel.checks.written++;
  }

  isMapped(device: bigint, frame: number): boolean {
    return this.#findMapped(device, frame) !== 0n;
  }

  #findMapped(device: bigint, frame: number): bigint {
    return this.#find(frame, (one) => one.state === MAPPED && one.device === device && one.frame === frame);
  }

  /** Address of the first mapping of that kind, from its frame's place on to one that was never used; 0 when there is none. */
  #find(frame: number, isWanted: (mapping: Mapping) => boolean): bigint {
    const { processor } = this.#kernel.memory;
    for (let probe = 0; probe < this.#capacity; probe++) {
      const at = this.#mappings + BigInt(((frame + probe) % this.#capacity) * dmaMapping.size);
      const mapping = dmaMapping.read(processor.read(at, dmaMapping.size));
      if (isWanted(mapping)) return at;
      if (mapping.device === 0n) return 0n;
    }
    return 0n;
  }
}
