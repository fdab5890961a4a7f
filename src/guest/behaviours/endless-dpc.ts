import { z } from "zod";
import { call, declare, load } from "../image/function.ts";
import { duration } from "../quantities.ts";
import { behaviour } from "./behaviour.ts";

/** A driver whose deferred procedure call asks its device again and again, which never says that it is done. */
export const endlessDpc = behaviour({
  name: "endless-dpc",
  summary: "Polls its device at DISPATCH_LEVEL for a request that never completes",
  options: z.strictObject({
    at: duration.prefault("20 s").meta({ description: "When, after it is loaded" }),
  }),
  program: ({ at }) => ({
    functions: [
      declare("PollCompletion", { saves: ["rbx", "rsi"], locals: 0x20 }, load("ReadStatus")),
      declare("CompletionDpc", { saves: ["rbx", "rdi"], locals: 0x30 }, call("PollCompletion")),
      declare("StartRequest", { saves: ["rbx"], locals: 0x20 }, call("nt!KeInsertQueueDpc")),
      declare(
        "WorkerRoutine",
        { saves: ["rbx", "rdi"], locals: 0x30 },
        call("nt!KeDelayExecutionThread"),
        call("StartRequest"),
      ),
    ],
    worker: {
      function: "WorkerRoutine",
      *routine({ services, random, function: own }, thread) {
        yield* services.keDelayExecutionThread(thread, at * random.between(0.98, 1.02));
        services.harm.begins();
        yield* thread.callWaiting(own("StartRequest"), [], () =>
          services.keInsertQueueDpc(thread, own("CompletionDpc"), () =>
            thread.callWaiting(own("PollCompletion"), [], () => services.pollForever(thread, "ReadStatus")),
          ),
        );
      },
    },
  }),
});
