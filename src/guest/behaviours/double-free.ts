import { z } from "zod";
import { call, declare } from "../image/function.ts";
import { duration, rate } from "../quantities.ts";
import { behaviour } from "./behaviour.ts";
import { poolBuffer } from "./pool-buffer.ts";

/** A driver that frees a request when it is cancelled, and once more when the device is done with it. */
export const doubleFree = behaviour({
  name: "double-free",
  summary: "Frees pool blocks twice",
  options: z.strictObject({
    at: duration.prefault("20 s").meta({ description: "From when on requests are cancelled, after it is loaded" }),
    rate: rate.prefault("10 per second").meta({ description: "Requests" }),
    late: duration.prefault("20 ms").meta({ description: "Time between the two frees" }),
    ...poolBuffer,
  }),
  program: ({ at, rate, late, size, tag }) => ({
    functions: [
      declare("StartRequest", { saves: ["rbx"], locals: 0x20 }, call("nt!ExAllocatePoolWithTag")),
      declare("CancelRequest", { saves: ["rbx"], locals: 0x10 }, call("nt!ExFreePoolWithTag")),
      declare("CompleteRequest", { saves: ["rbx", "rdi"], locals: 0x20 }, call("nt!ExFreePoolWithTag")),
      declare(
        "WorkerRoutine",
        { saves: ["rbx", "rsi", "rdi"], locals: 0x40 },
        call("nt!KeDelayExecutionThread"),
        call("StartRequest"),
        call("CancelRequest"),
        call("CompleteRequest"),
      ),
    ],
    worker: {
      function: "WorkerRoutine",
      *routine({ services, random, function: own }, thread) {
        for (let seconds = 0; ; ) {
          const pause = random.between(0.5, 1.5) / rate;
          yield* services.keDelayExecutionThread(thread, pause);
          const allocate = () => services.exAllocatePoolWithTag(thread, "nonpaged", size, tag);
          const request = thread.call(own("StartRequest"), [], allocate);
          const free = (name: string) =>
            thread.call(own(name), [request], () => services.exFreePoolWithTag(thread, request));
          if (seconds >= at) free("CancelRequest");
          yield* services.keDelayExecutionThread(thread, late);
          if (seconds >= at) services.harm.begins();
          free("CompleteRequest");
          // The pool did not stop at it: somebody else has the block by now.
          if (seconds >= at) services.harm.wrote(request, size);
          seconds += pause + late;
        }
      },
    },
  }),
});
