import { z } from "zod";
import { call, declare } from "../image/function.ts";
import { duration, rate } from "../quantities.ts";
import { behaviour } from "./behaviour.ts";

const USUAL_DEPTH = 6;

/** A driver that follows nested records by calling itself, and comes to one that contains itself. */
export const stackOverflow = behaviour({
  name: "stack-overflow",
  summary: "Calls itself until the kernel stack has no room left",
  options: z.strictObject({
    at: duration.prefault("20 s").meta({ description: "From when on it does not come to an end, after it is loaded" }),
    rate: rate.prefault("10 per second").meta({ description: "Records" }),
    frame: z
      .int()
      .min(16)
      .max(2048)
      .multipleOf(16)
      .default(256)
      .meta({ description: "Bytes of locals that each call takes" }),
  }),
  program: ({ at, rate, frame }) => ({
    functions: [
      declare("ParseRecord", { saves: ["rbx"], locals: frame }, call("ParseRecord")),
      declare(
        "WorkerRoutine",
        { saves: ["rbx", "rdi"], locals: 0x30 },
        call("nt!KeDelayExecutionThread"),
        call("ParseRecord"),
      ),
    ],
    worker: {
      function: "WorkerRoutine",
      *routine({ services, random, function: own }, thread) {
        const parse = (depth: number): void =>
          services.callOwn(thread, own("ParseRecord"), [BigInt(depth)], () => {
            if (depth !== 1) parse(depth - 1);
          });
        for (let seconds = 0; ; ) {
          const pause = random.between(0.5, 1.5) / rate;
          seconds += pause;
          yield* services.keDelayExecutionThread(thread, pause);
          if (seconds >= at) services.harm.begins();
          parse(seconds < at ? USUAL_DEPTH : 0);
        }
      },
    },
  }),
});
