import { FORCED_IRQL_EXPORT, forcedIrql } from "../../dumpfile/index.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { DISPATCH_LEVEL } from "../threads/processor.ts";
import type { Thread } from "../threads/thread.ts";
import { isCheckedFor } from "./armed-checks.ts";

/**
 * Takes all pageable memory out of the page tables whenever a checked driver raises IRQL to DISPATCH_LEVEL: what it touches there that may not be
 * touched faults at once, and not only on the day when the page is in the page file. The pages stay in memory, so that all others have them
 * back without a read.
 */
export class ForcedIrql {
  readonly #kernel: Kernel;
  readonly #variable: bigint;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
    this.#variable = kernel.variable(FORCED_IRQL_EXPORT);
  }

  /** The thread is inside KfRaiseIrql, which has not raised it yet. */
  raising(thread: Thread, irql: number): void {
    const { processor } = thread;
    if (irql < DISPATCH_LEVEL || processor!.irql >= DISPATCH_LEVEL) return;
    const { images, nt, checks, pageable, memory } = this.#kernel;
    const caller = thread.callerIn((frame) => frame.image !== nt);
    const driver = images.imageAt(caller);
    if (!driver || !isCheckedFor(checks.armed, "force-irql", driver.name)) return;
    const pages = pageable.withdraw();
    const { raises, pages: sum, raisedAt } = forcedIrql.fields;
    this.#add(raises.offset, 1);
    this.#add(sum.offset, pages);
    memory.put(forcedIrql, this.#variable, { pageableStart: pageable.start, pageableEnd: pageable.end });
    memory.processor.writeU64(this.#variable + BigInt(raisedAt.offset + 8 * processor!.index), caller);
    checks.written++;
  }

  #add(offset: number, by: number): void {
    const { processor } = this.#kernel.memory;
    const at = this.#variable + BigInt(offset);
    processor.writeU64(at, processor.readU64(at) + BigInt(by));
  }
}
