import { LOCK_RECORD_SIGNATURE, lockRecord } from "../../dumpfile/index.ts";
import type { KernelMemory } from "../memory/kernel-memory.ts";

/** MDLs that can be tracked at one time. */
const MOST_LOCKS = 256;

export const LOCK_RECORD_BYTES = MOST_LOCKS * lockRecord.size;

/** An MDL's pages as they are locked. */
export interface PageLock {
  readonly mdl: bigint;
  readonly process: bigint;
  readonly pages: number;
  readonly caller: bigint;
  readonly callersCaller: bigint;
}

/** What locked-page tracking knows: a record for each MDL whose pages are locked, with who locked them. */
export class LockRecords {
  /** Address of the first. */
  readonly address: bigint;
  readonly #memory: KernelMemory;
  /** Every lock since the start has found room: an MDL without a record is not locked. */
  #isComplete = true;

  /** @param table address of `LOCK_RECORD_BYTES` bytes of zeros */
  constructor(table: bigint, memory: KernelMemory) {
    this.address = table;
    this.#memory = memory;
  }

  locked({ mdl, process, pages, caller, callersCaller }: PageLock): void {
    const free = this.#find((record) => record.mdl === 0n);
    if (free === null) this.#isComplete = false;
    else
      this.#memory.put(lockRecord, free, {
        signature: LOCK_RECORD_SIGNATURE,
        ...{ pages, mdl, process, caller, callersCaller },
      });
  }

  /** Forgets the lock of an MDL; false: it is not locked. */
  unlocked(mdl: bigint): boolean {
    const found = this.#find((record) => record.mdl === mdl);
    if (found !== null) this.#memory.put(lockRecord, found, { mdl: 0n });
    return found !== null || !this.#isComplete;
  }

  /** The record of a lock of a process's pages, and its MDL; null when none is recorded. */
  ofProcess(process: bigint): { readonly address: bigint; readonly mdl: bigint } | null {
    const found = this.#find((record) => record.mdl !== 0n && record.process === process);
    return found === null ? null : { address: found, mdl: this.#read(found).mdl };
  }

  #find(isWanted: (record: ReturnType<typeof lockRecord.read>) => boolean): bigint | null {
    for (let number = 0; number < MOST_LOCKS; number++) {
      const at = this.address + BigInt(number * lockRecord.size);
      if (isWanted(this.#read(at))) return at;
    }
    return null;
  }

  #read(at: bigint) {
    return lockRecord.read(this.#memory.processor.read(at, lockRecord.size));
  }
}
