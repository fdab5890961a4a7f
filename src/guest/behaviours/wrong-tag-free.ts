import { z } from "zod";
import { call, declare } from "../image/function.ts";
import { duration, rate } from "../quantities.ts";
import { behaviour } from "./behaviour.ts";
import { poolBuffer } from "./pool-buffer.ts";

/** A driver with two kinds of blocks, one of which it frees as if it were the other. */
export const wrongTagFree = behaviour({
  name: "wrong-tag-free",
  summary: "Frees pool blocks and names another tag than it asked for them with",
  options: z.strictObject({
    at: duration.prefault("20 s").meta({ description: "From when on it mistakes them, after it is loaded" }),
    rate: rate.prefault("20 per second").meta({ description: "Blocks" }),
    ...poolBuffer,
    freedAs: z
      .string()
      .regex(/^[ -~]{4}$/, { error: "expected a pool tag of four letters" })
      .default("Buff"),
  }),
  program: ({ at, rate, size, tag, freedAs }) => ({
    functions: [
      declare("CreateContext", { saves: ["rbx"], locals: 0x20 }, call("nt!ExAllocatePoolWithTag")),
      declare("ReleaseContext", { saves: ["rbx"], locals: 0x20 }, call("nt!ExFreePoolWithTag")),
      declare(
        "WorkerRoutine",
        { saves: ["rbx", "rsi"], locals: 0x30 },
        call("nt!KeDelayExecutionThread"),
        call("CreateContext"),
        call("ReleaseContext"),
      ),
    ],
    worker: {
      function: "WorkerRoutine",
      *routine({ services, random, function: own }, thread) {
        for (let seconds = 0; ; ) {
          const allocate = () => services.exAllocatePoolWithTag(thread, "nonpaged", size, tag);
          const context = thread.call(own("CreateContext"), [], allocate);
          const pause = random.between(0.5, 1.5) / rate;
          seconds += pause;
          yield* services.keDelayExecutionThread(thread, pause);
          const named = seconds < at ? tag : freedAs;
          if (named !== tag) services.harm.begins();
          thread.call(own("ReleaseContext"), [context], () => services.exFreePoolWithTag(thread, context, named));
        }
      },
    },
  }),
});
