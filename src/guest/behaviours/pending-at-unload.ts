import { z } from "zod";
import { call, declare } from "../image/function.ts";
import { kdpc, ktimer } from "../kernel/pending-calls.ts";
import { workQueueItem } from "../kernel/work-queue.ts";
import { duration } from "../quantities.ts";
import { behaviour } from "./behaviour.ts";

/** Time between two runs of its timer. */
const PERIOD_SECONDS = 0.2;

const DPC = BigInt(ktimer.size);
const ITEM = DPC + BigInt(kdpc.size);

/** A driver that is unloaded while something is still to come that calls it. */
export const pendingAtUnload = behaviour({
  name: "pending-at-unload",
  summary:
    "Is unloaded and loaded again and again; one day it goes while a timer, a DPC or a work item of its own is still to come",
  options: z.strictObject({
    left: z.enum(["timer", "dpc", "work-item"]).default("timer").meta({
      description:
        "A timer it does not cancel, or a DPC or a work item that its DriverUnload queues and does not wait for",
    }),
    stays: duration.prefault("4 s").meta({ description: "How long it is loaded each time" }),
    again: duration.prefault("1 s").meta({ description: "Time until it is loaded again" }),
    tidy: z.int().min(0).default(2).meta({ description: "How often it is unloaded before that with all in order" }),
    tag: z
      .string()
      .regex(/^[ -~]{4}$/, { error: "expected a pool tag of four letters" })
      .default("Pend"),
  }),
  program({ left, stays, again, tidy, tag }) {
    let objects = 0n;
    let unloads = 0;
    return {
      functions: [
        declare("PollTimerDpc", { saves: ["rbx"], locals: 0x20 }),
        declare("FlushDpc", { saves: ["rbx"], locals: 0x20 }),
        declare("SaveState", { saves: ["rbx", "rsi"], locals: 0x30 }),
        declare("StartPolling", { saves: ["rbx", "rsi"], locals: 0x20 }, call("nt!KeSetTimer")),
        declare(
          "DriverUnload",
          { saves: ["rbx", "rsi"], locals: 0x20 },
          call("nt!KeCancelTimer"),
          call("nt!KeInsertQueueDpc"),
          call("nt!ExQueueWorkItem"),
          call("nt!ExFreePoolWithTag"),
        ),
        declare(
          "PollRoutine",
          { saves: ["rbx", "rsi"], locals: 0x30 },
          call("nt!ExAllocatePoolWithTag"),
          call("StartPolling"),
          call("nt!KeDelayExecutionThread"),
        ),
      ],
      unload: {
        function: "DriverUnload",
        again,
        body({ services, function: own }, thread) {
          const isTidy = unloads++ < tidy;
          const { deferred } = services;
          if (!isTidy) services.harm.begins();
          const [dpc, item] = [objects + DPC, objects + ITEM];
          if (isTidy || left !== "timer") deferred.keCancelTimer(thread, objects);
          if (isTidy) services.exFreePoolWithTag(thread, objects);
          else if (left === "dpc")
            deferred.keInsertQueueDpc(thread, dpc, { function: own("FlushDpc"), body: () => {} });
          else if (left === "work-item")
            deferred.exQueueWorkItem(thread, item, { function: own("SaveState"), *body() {} });
        },
      },
      worker: {
        function: "PollRoutine",
        *routine({ services, function: own }, thread) {
          const bytes = Number(ITEM) + workQueueItem.size;
          objects = services.exAllocatePoolWithTag(thread, "nonpaged", bytes, tag);
          const poll = { function: own("PollTimerDpc"), body: () => {} };
          const start = () =>
            thread.call(own("StartPolling"), [objects], () =>
              services.deferred.keSetTimer(thread, objects, objects + DPC, PERIOD_SECONDS / 2, poll),
            );
          for (let seconds = 0; seconds < stays; seconds += PERIOD_SECONDS) {
            start();
            yield* services.keDelayExecutionThread(thread, PERIOD_SECONDS);
          }
          start();
        },
      },
    };
  },
});
