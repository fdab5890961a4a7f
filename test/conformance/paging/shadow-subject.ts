import { createEngine } from "../../../src/hypervisor/translation/create-engine.ts";
import {
  FLUSH_ALL_ADDRESS_SPACES,
  FLUSH_ALL_PROCESSORS,
  FlushCalls,
  ShadowPageTables,
} from "../../../src/hypervisor/translation/shadow/index.ts";
import { EngineSubject } from "./engine-subject.ts";
import type { Levels, SubjectOptions } from "./subject.ts";

/** A partition on shadow page tables, whose guest has the flush hypercalls too. */
export class ShadowSubject extends EngineSubject {
  readonly #calls: FlushCalls;

  constructor(options: SubjectOptions, levels: Levels) {
    let made: ShadowPageTables | null = null;
    super(
      "shadow",
      (frames, state, maxPhysicalAddressBits) => {
        const tables = new ShadowPageTables({ frames, processors: 1, maxPhysicalAddressBits });
        made = tables;
        const shadow = { tables, processor: 0 };
        return createEngine("shadow", { memory: frames, state, maxPhysicalAddressBits, shadow });
      },
      options,
      levels,
    );
    this.#calls = new FlushCalls(made!, options.maxPhysicalAddressBits);
  }

  /** HvCallFlushVirtualAddressSpace. @param root of an address space without an identifier; null for all */
  flushSpace(root: number | null): void {
    const flags = FLUSH_ALL_PROCESSORS | (root === null ? FLUSH_ALL_ADDRESS_SPACES : 0);
    const status = this.#calls.flushAddressSpace({ addressSpace: BigInt(root ?? 0), flags, processors: 0n });
    if (status !== "done") throw new Error(`the flush hypercall says ${status}`);
  }

  /** HvCallFlushVirtualAddressList. */
  flushList(root: number, pages: readonly bigint[]): void {
    const target = { addressSpace: BigInt(root), flags: FLUSH_ALL_PROCESSORS, processors: 0n };
    const { status } = this.#calls.flushAddressList(target, pages);
    if (status !== "done") throw new Error(`the flush hypercall says ${status}`);
  }
}
