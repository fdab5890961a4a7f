import { z } from "zod";
import { call, declare, fill } from "../image/function.ts";
import { duration, rate } from "../quantities.ts";
import { behaviour } from "./behaviour.ts";
import { poolBuffer, RECORD_BYTE } from "./pool-buffer.ts";

/** Bytes of a record. */
const MOST_RECORD = 64;

/** A driver that is unloaded and loaded again, and each time leaves some of its buffers behind. It does not look whether it got them. */
export const unloadLeak = behaviour({
  name: "unload-leak",
  summary: "Is unloaded and loaded again and again, and frees all but some of its pool blocks each time",
  options: z.strictObject({
    stays: duration.prefault("10 s").meta({ description: "How long it is loaded each time" }),
    again: duration.prefault("2 s").meta({ description: "Time until it is loaded again" }),
    rate: rate.prefault("20 per second").meta({ description: "Records written to its buffers" }),
    buffers: z.int().min(1).max(1000).default(8).meta({ description: "Blocks it asks for each time" }),
    left: z.int().min(0).max(1000).default(3).meta({ description: "Of these, not freed when it is unloaded" }),
    ...poolBuffer,
    size: z.int().min(1).max(1_048_576).default(208).meta({ description: "Bytes of a block" }),
  }),
  program({ stays, again, rate, buffers, left, size, tag }) {
    let kept: bigint[] = [];
    return {
      functions: [
        declare("AllocateBuffers", { saves: ["rbx", "rsi"], locals: 0x20 }, call("nt!ExAllocatePoolWithTag")),
        declare("ReadSensor", { saves: ["rbx", "rdi"], locals: 0x30 }, fill("WriteRecord")),
        declare("DriverUnload", { saves: ["rbx", "rsi"], locals: 0x20 }, call("nt!ExFreePoolWithTag")),
        declare(
          "SensorRoutine",
          { saves: ["rbx", "rsi", "rdi"], locals: 0x40 },
          call("AllocateBuffers"),
          call("nt!KeDelayExecutionThread"),
          call("ReadSensor"),
        ),
      ],
      unload: {
        function: "DriverUnload",
        again,
        body({ services }, thread) {
          if (left > 0) services.harm.begins();
          for (const buffer of kept.slice(left)) services.exFreePoolWithTag(thread, buffer);
        },
      },
      worker: {
        function: "SensorRoutine",
        *routine({ services, random, function: own }, thread) {
          thread.call(own("AllocateBuffers"), [], () => {
            kept = Array.from({ length: buffers }, () => services.exAllocatePoolWithTag(thread, "nonpaged", size, tag));
          });
          for (let seconds = 0; seconds < stays; ) {
            const pause = random.between(0.5, 1.5) / rate;
            seconds += pause;
            yield* services.keDelayExecutionThread(thread, pause);
            const buffer = kept[random.below(kept.length)]!;
            thread.call(own("ReadSensor"), [buffer], () =>
              services.fill(thread, "WriteRecord", buffer, Math.min(MOST_RECORD, size), RECORD_BYTE),
            );
          }
        },
      },
    };
  },
});
