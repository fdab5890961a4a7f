import { z } from "zod";
import { call, declare, fill, load } from "../image/function.ts";
import { duration, rate } from "../quantities.ts";
import { behaviour } from "./behaviour.ts";
import { poolBuffer, RECORD_BYTE } from "./pool-buffer.ts";

/** A driver that frees a request when it times out, and still completes it when the device answers late. */
export const useAfterFree = behaviour({
  name: "use-after-free",
  summary: "Reads or writes pool blocks that it has freed",
  options: z.strictObject({
    at: duration.prefault("20 s").meta({ description: "From when on answers come late, after it is loaded" }),
    rate: rate.prefault("10 per second").meta({ description: "Requests" }),
    late: duration.prefault("100 ms").meta({ description: "Time between the free and the touch" }),
    access: z
      .enum(["read", "write", "copy"])
      .default("write")
      .meta({ description: "copy has the kernel's memmove read the block" }),
    bytes: z.int().min(1).max(4000).default(32).meta({ description: "Bytes that are written, from the block's start" }),
    ...poolBuffer,
  }),
  program: ({ at, rate, late, access, bytes, size, tag }) => ({
    functions: [
      declare("StartRequest", { saves: ["rbx"], locals: 0x20 }, call("nt!ExAllocatePoolWithTag")),
      declare("CancelRequest", { saves: ["rbx"], locals: 0x10 }, call("nt!ExFreePoolWithTag")),
      declare(
        "CompleteRequest",
        { saves: ["rbx", "rdi"], locals: 0x30 },
        load("ReadState"),
        fill("WriteResult"),
        call("nt!memmove"),
      ),
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
          const complete = () =>
            thread.call(own("CompleteRequest"), [request], () => {
              if (access === "read") services.load(thread, "ReadState", request);
              else if (access === "copy") services.memmove(thread, request);
              else services.fill(thread, "WriteResult", request, Math.min(bytes, size), RECORD_BYTE);
            });
          const isLate = seconds >= at;
          if (!isLate) complete();
          thread.call(own("CancelRequest"), [request], () => services.exFreePoolWithTag(thread, request));
          yield* services.keDelayExecutionThread(thread, late);
          if (isLate) {
            services.harm.begins();
            complete();
            if (access === "write") services.harm.wrote(request, Math.min(bytes, size));
          }
          seconds += pause + late;
        }
      },
    },
  }),
});
