import { z } from "zod";
import { call, declare, load, store } from "../image/function.ts";
import { duration } from "../quantities.ts";
import { DISPATCH_LEVEL } from "../threads/processor.ts";
import { behaviour } from "./behaviour.ts";

/** A driver that uses a structure whose address it did not check for null. */
export const nullDereference = behaviour({
  name: "null-dereference",
  summary: "Reads or writes a field of a structure at address 0",
  options: z.strictObject({
    at: duration.prefault("20 s").meta({ description: "When, after it is loaded" }),
    irql: z
      .enum(["passive", "dispatch"])
      .default("passive")
      .meta({ description: "dispatch stops with 0xD1, passive with 0x50" }),
    offset: z.int().min(0).max(0xfff).default(0x18).meta({ description: "Offset of the field in the structure" }),
    access: z.enum(["read", "write"]).default("read"),
  }),
  program: ({ at, irql, offset, access }) => ({
    functions: [
      declare(
        "UpdateStatistics",
        { saves: ["rbx", "rsi"], locals: 0x20 },
        call("nt!KfRaiseIrql"),
        load("ReadCounter"),
        store("WriteCounter"),
      ),
      declare("TimerWork", { saves: ["rbx"], locals: 0x20 }, call("UpdateStatistics")),
      declare(
        "WorkerRoutine",
        { saves: ["rbx", "rdi"], locals: 0x30 },
        call("nt!KeDelayExecutionThread"),
        call("TimerWork"),
      ),
    ],
    worker: {
      function: "WorkerRoutine",
      *routine({ services, random, function: own }, thread) {
        yield* services.keDelayExecutionThread(thread, at * random.between(0.98, 1.02));
        yield* thread.callWaiting(own("TimerWork"), [], function* () {
          yield { kind: "compute", seconds: 20e-6 };
          services.harm.begins();
          thread.call(own("UpdateStatistics"), [0n], () => {
            if (irql === "dispatch") services.kfRaiseIrql(thread, DISPATCH_LEVEL);
            if (access === "read") services.load(thread, "ReadCounter", BigInt(offset));
            else services.store(thread, "WriteCounter", BigInt(offset), 1n);
          });
        });
      },
    },
  }),
});
