import { z } from "zod";
import { call, declare } from "../image/function.ts";
import { duration } from "../quantities.ts";
import { behaviour } from "./behaviour.ts";

/** A driver whose device reads and writes the buffers of processes where they are: direct I/O. */
export const directIo = behaviour({
  name: "direct-io",
  summary:
    "Locks the buffer of each request while its device uses it, and unlocks it; or now and then does not, or twice",
  options: z.strictObject({
    mistake: z
      .enum(["none", "left-locked", "unlocked-twice"])
      .default("none")
      .meta({ description: "What it does wrong with one in so many requests" }),
    at: duration.prefault("10 s").meta({ description: "From when on, after it is loaded" }),
    oneIn: z.int().min(1).max(1000).default(8).meta({ description: "One in so many requests goes wrong" }),
    transfer: duration.prefault("20 ms").meta({ description: "How long its device takes for a buffer" }),
  }),
  program: ({ mistake, at, oneIn, transfer }) => {
    let seconds = 0;
    return {
      functions: [
        declare(
          "LockBuffer",
          { saves: ["rbx", "rdi"], locals: 0x20 },
          call("nt!IoAllocateMdl"),
          call("nt!MmProbeAndLockPages"),
        ),
        declare(
          "CompleteTransfer",
          { saves: ["rbx", "rsi"], locals: 0x20 },
          call("nt!MmUnlockPages"),
          call("nt!IoFreeMdl"),
        ),
        declare(
          "DispatchDeviceControl",
          { saves: ["rbx", "rsi", "rdi"], locals: 0x50 },
          call("LockBuffer"),
          call("nt!KeDelayExecutionThread"),
          call("CompleteTransfer"),
        ),
        declare("TickRoutine", { saves: ["rbx"], locals: 0x20 }, call("nt!KeDelayExecutionThread")),
      ],
      control: {
        function: "DispatchDeviceControl",
        *body({ services, random, function: own }, thread, buffer, bytes) {
          const mdl = thread.call(own("LockBuffer"), [buffer, BigInt(bytes)], () => {
            const allocated = services.mdls.ioAllocateMdl(thread, buffer, bytes);
            services.locks.mmProbeAndLockPages(thread, allocated);
            return allocated;
          });
          yield* services.keDelayExecutionThread(thread, transfer * random.between(0.5, 1.5));
          const isWrong = mistake !== "none" && seconds >= at && random.below(oneIn) === 0;
          if (isWrong) services.harm.begins();
          if (isWrong && mistake === "left-locked") return;
          thread.call(own("CompleteTransfer"), [mdl], () => {
            services.locks.mmUnlockPages(thread, mdl);
            if (isWrong) services.locks.mmUnlockPages(thread, mdl);
            services.mdls.ioFreeMdl(thread, mdl);
          });
        },
      },
      worker: {
        function: "TickRoutine",
        *routine({ services }, thread) {
          for (;;) {
            yield* services.keDelayExecutionThread(thread, 1);
            seconds++;
          }
        },
      },
    };
  },
});
