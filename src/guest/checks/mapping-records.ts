import { MAPPING_RECORD_SIGNATURE, mappingRecord } from "../../dumpfile/index.ts";
import type { KernelMemory } from "../memory/kernel-memory.ts";
import type { SystemPtes } from "../memory/system-ptes.ts";

const MAPPED = 1;
const FREED = 2;

/** What a driver hands in to have a mapping freed, and what the MDL says at that moment. */
export interface Unmapping {
  readonly mdl: bigint;
  readonly address: bigint;
  readonly pages: number;
  readonly firstFrame: number;
  readonly startVa: bigint;
}

/** A mapping as it is made. */
export interface Mapping extends Unmapping {
  /** Return address in the driver. */
  readonly caller: bigint;
}

type Recorded = ReturnType<typeof mappingRecord.read>;

/** The parameters of 0xDA. */
export type Misuse = readonly [kind: bigint, bigint, bigint, bigint];

const OWNER_BYTES = 2;

/** How many bytes of guest memory the records for so many system PTEs take. */
export const mappingRecordBytes = (systemPtes: number): number => systemPtes * (mappingRecord.size + OWNER_BYTES);

/**
 * What level 3 of PTE tracking knows: a record for each mapping, and which of them begins at which system PTE. The record of a mapping that
 * was freed is the last to be used for another, so that a second free is known by the first for as long as possible.
 */
export class MappingRecords {
  readonly #records: bigint;
  /** For each system PTE: one more than the number of the record of the mapping that begins there, 0 for none. */
  readonly #owners: bigint;
  readonly #memory: KernelMemory;
  readonly #ptes: SystemPtes;
  #next = 0;

  /** @param table address of `mappingRecordBytes` bytes of zeros */
  constructor(table: bigint, memory: KernelMemory, ptes: SystemPtes) {
    this.#records = table;
    this.#owners = table + BigInt(ptes.total * mappingRecord.size);
    this.#memory = memory;
    this.#ptes = ptes;
  }

  mapped({ mdl, address, pages, firstFrame, startVa, caller }: Mapping): void {
    // There is a record for each PTE, so one of them is not in use.
    while (this.#read(this.#next).state === MAPPED) this.#next = (this.#next + 1) % this.#ptes.total;
    const signature = MAPPING_RECORD_SIGNATURE;
    const values = { signature, state: MAPPED, mdl, address, startVa, pages, firstFrame, mappedBy: caller };
    this.#memory.put(mappingRecord, this.#at(this.#next), values);
    this.#memory.processor.writeU16(this.#owner(address), this.#next + 1);
    this.#next = (this.#next + 1) % this.#ptes.total;
  }

  /** Holds a free against its mapping, as the bug check reference describes it for 0xDA; null: it is as it should be, and recorded. */
  freed(wanted: Unmapping): Misuse | null {
    const number = this.#ptes.contains(wanted.address)
      ? this.#memory.processor.readU16(this.#owner(wanted.address)) - 1
      : -1;
    const record = number < 0 ? null : this.#read(number);
    if (record?.mdl === wanted.mdl) {
      const at = this.#at(number);
      if (record.pages !== wanted.pages) return [2n, at, BigInt(record.pages), BigInt(wanted.pages)];
      if (record.firstFrame !== wanted.firstFrame)
        return [4n, at, BigInt(record.firstFrame), BigInt(wanted.firstFrame)];
      if (record.startVa !== wanted.startVa) return [5n, at, record.startVa, wanted.startVa];
      this.#memory.put(mappingRecord, at, { state: FREED });
      this.#memory.processor.writeU16(this.#owner(wanted.address), 0);
      return null;
    }
    const before = this.#find((one) => one.state === FREED && isOf(one, wanted));
    if (before >= 0) return [1n, this.#at(before), wanted.mdl, this.#at(number < 0 ? before : number)];
    const other = this.#find((one) => one.state === MAPPED && one.mdl === wanted.mdl);
    if (other >= 0) return [3n, this.#at(other), this.#read(other).address, wanted.address];
    return [6n, wanted.mdl, wanted.address, BigInt(wanted.pages)];
  }

  /** The number of a record; -1 where none is like that. Only looked for where something is wrong. */
  #find(isWanted: (record: Recorded) => boolean): number {
    for (let number = 0; number < this.#ptes.total; number++) if (isWanted(this.#read(number))) return number;
    return -1;
  }

  #read(number: number) {
    return mappingRecord.read(this.#memory.processor.read(this.#at(number), mappingRecord.size));
  }

  #at(number: number): bigint {
    return this.#records + BigInt(number * mappingRecord.size);
  }

  #owner(address: bigint): bigint {
    return this.#owners + BigInt(this.#ptes.indexOf(address) * OWNER_BYTES);
  }
}

const isOf = (record: Recorded, wanted: Unmapping) => record.mdl === wanted.mdl && record.address === wanted.address;
