import { z } from "zod";
import { call, declare, store } from "../image/function.ts";
import { duration } from "../quantities.ts";
import { behaviour } from "./behaviour.ts";

/** A driver that patches code in memory, as it could when code was writable. */
export const writeToReadOnly = behaviour({
  name: "write-to-read-only",
  summary: "Writes to its own code, which is mapped read-only",
  options: z.strictObject({
    at: duration.prefault("20 s").meta({ description: "When, after it is loaded" }),
  }),
  program: ({ at }) => ({
    functions: [
      declare("HookTarget", { saves: ["rbx"], locals: 0x10 }),
      declare("InstallHook", { saves: ["rbx", "rsi"], locals: 0x20 }, store("PatchCode")),
      declare(
        "WorkerRoutine",
        { saves: ["rbx", "rdi"], locals: 0x30 },
        call("nt!KeDelayExecutionThread"),
        call("InstallHook"),
      ),
    ],
    worker: {
      function: "WorkerRoutine",
      *routine({ services, random, function: own }, thread) {
        yield* services.keDelayExecutionThread(thread, at * random.between(0.98, 1.02));
        const { address } = own("HookTarget");
        services.harm.begins();
        thread.call(own("InstallHook"), [address], () => services.store(thread, "PatchCode", address, 0xe9n));
      },
    },
  }),
});
