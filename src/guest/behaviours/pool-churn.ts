import { z } from "zod";
import { call, declare } from "../image/function.ts";
import { rate } from "../quantities.ts";
import { DISPATCH_LEVEL } from "../threads/processor.ts";
import { behaviour } from "./behaviour.ts";

/** A driver that does as it should with pool: what it allocates it frees, the oldest first. */
export const poolChurn = behaviour({
  name: "pool-churn",
  summary: "Allocates pool blocks of changing size and frees them some requests later",
  options: z.strictObject({
    rate: rate.prefault("40 per second").meta({ description: "Allocations" }),
    pool: z.enum(["nonpaged", "paged"]).default("nonpaged"),
    tag: z
      .string()
      .regex(/^[ -~]{4}$/, { error: "expected a pool tag of four letters" })
      .default("Work"),
    outstanding: z.int().min(1).max(1000).default(32).meta({ description: "Blocks it keeps at one time" }),
  }),
  program: ({ rate, pool, tag, outstanding }) => ({
    functions: [
      declare(
        "QueueRecord",
        { saves: ["rbx", "rdi"], locals: 0x20 },
        call("nt!ExAllocatePoolWithTag"),
        call("nt!KfRaiseIrql"),
        call("nt!KeLowerIrql"),
      ),
      declare("RetireRecord", { saves: ["rbx"], locals: 0x10 }, call("nt!ExFreePoolWithTag")),
      declare(
        "WatchRoutine",
        { saves: ["rbx", "rsi"], locals: 0x30 },
        call("nt!KeDelayExecutionThread"),
        call("QueueRecord"),
        call("RetireRecord"),
      ),
    ],
    worker: {
      function: "WatchRoutine",
      *routine({ services, random, function: own }, thread) {
        const kept: bigint[] = [];
        for (;;) {
          yield* services.keDelayExecutionThread(thread, random.between(0.5, 1.5) / rate);
          const block = yield* thread.callWaiting(own("QueueRecord"), [], function* () {
            const address = services.exAllocatePoolWithTag(thread, pool, 16 + random.below(1200), tag);
            const irql = services.kfRaiseIrql(thread, DISPATCH_LEVEL); // as a spin lock does that guards the queue
            yield { kind: "compute", seconds: random.between(10e-6, 100e-6) };
            services.keLowerIrql(thread, irql);
            return address;
          });
          if (block !== 0n) kept.push(block);
          const oldest = kept.length > outstanding ? kept.shift() : undefined;
          if (oldest !== undefined)
            thread.call(own("RetireRecord"), [oldest], () => services.exFreePoolWithTag(thread, oldest));
        }
      },
    },
  }),
});
