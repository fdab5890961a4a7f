import { address, layout } from "../../binary/index.ts";
import type { KernelMemory } from "./kernel-memory.ts";

/** An entry of the array MiSpecialPoolLatest in .data. */
const latestBlock = layout("SPECIAL_POOL_LATEST", 0x10, {
  driver: address(0x00, "base of its image; 0: never used"),
  block: address(0x08, "the one that special pool gave it last"),
});

/** Drivers that are remembered; of more, only the first. */
const DRIVERS = 32;
export const LATEST_BLOCKS_BYTES = DRIVERS * latestBlock.size;

/** Which block special pool gave each driver last. */
export class LatestBlocks {
  readonly #entries: bigint;
  readonly #memory: KernelMemory;

  /** @param entries address of LATEST_BLOCKS_BYTES */
  constructor(entries: bigint, memory: KernelMemory) {
    this.#entries = entries;
    this.#memory = memory;
  }

  /** 0 where the driver has got none, or is not remembered. */
  of(driver: bigint): bigint {
    const at = this.#find(driver);
    return at === 0n ? 0n : this.#memory.processor.readU64(at + BigInt(latestBlock.fields.block.offset));
  }

  remember(driver: bigint, block: bigint): void {
    const at = this.#find(driver);
    if (at !== 0n) this.#memory.put(latestBlock, at, { driver, block });
  }

  /** The block has been freed: its address may become another driver's. */
  forget(block: bigint): void {
    for (let entry = 0; entry < DRIVERS; entry++) {
      const at = this.#entries + BigInt(entry * latestBlock.size + latestBlock.fields.block.offset);
      if (this.#memory.processor.readU64(at) === block) this.#memory.processor.writeU64(at, 0n);
    }
  }

  /** The driver's entry, or the one that it may take; 0 when there is none. */
  #find(driver: bigint): bigint {
    for (let entry = 0; entry < DRIVERS; entry++) {
      const at = this.#entries + BigInt(entry * latestBlock.size);
      const known = this.#memory.processor.readU64(at);
      if (known === driver || known === 0n) return at;
    }
    return 0n;
  }
}
