import { z } from "zod";
import { call, declare, fill } from "../image/function.ts";
import { rate } from "../quantities.ts";
import { behaviour } from "./behaviour.ts";
import { poolBuffer, RECORD_BYTE } from "./pool-buffer.ts";

/** Bytes it writes to each block. */
const MOST_RECORD = 64;

/** A driver that keeps a block for every event, for ever, and does not look whether it got one. */
export const poolLeak = behaviour({
  name: "pool-leak",
  summary: "Asks for pool blocks and never frees them, until there are no more",
  options: z.strictObject({
    rate: rate.prefault("100 per second").meta({ description: "Blocks" }),
    ...poolBuffer,
    size: z.int().min(1).max(1_048_576).default(8192).meta({ description: "Bytes of a block" }),
  }),
  program: ({ rate, size, tag }) => ({
    functions: [
      declare(
        "RecordEvent",
        { saves: ["rbx", "rdi"], locals: 0x20 },
        call("nt!ExAllocatePoolWithTag"),
        fill("WriteEvent"),
      ),
      declare("EventRoutine", { saves: ["rbx"], locals: 0x30 }, call("nt!KeDelayExecutionThread"), call("RecordEvent")),
    ],
    worker: {
      function: "EventRoutine",
      *routine({ services, random, function: own }, thread) {
        for (;;) {
          yield* services.keDelayExecutionThread(thread, random.between(0.5, 1.5) / rate);
          services.harm.begins();
          thread.call(own("RecordEvent"), [], () => {
            const event = services.exAllocatePoolWithTag(thread, "nonpaged", size, tag);
            services.fill(thread, "WriteEvent", event, Math.min(MOST_RECORD, size), RECORD_BYTE);
          });
        }
      },
    },
  }),
});
