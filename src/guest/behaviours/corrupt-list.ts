import { z } from "zod";
import { call, declare, failFast, load, store } from "../image/function.ts";
import { duration, rate } from "../quantities.ts";
import { behaviour } from "./behaviour.ts";

/** A request of its own: a LIST_ENTRY first, then whatever it needs. */
const REQUEST_BYTES = 0x80;

/** A driver whose requests can be cancelled and completed at the same time: both take the request off the queue. */
export const corruptList = behaviour({
  name: "corrupt-list",
  summary: "Takes an entry off its list twice",
  options: z.strictObject({
    at: duration.prefault("20 s").meta({ description: "From when on requests are cancelled, after it is loaded" }),
    rate: rate.prefault("20 per second").meta({ description: "Requests" }),
    outstanding: z.int().min(2).max(1000).default(16).meta({ description: "Requests it has queued at one time" }),
  }),
  program: ({ at, rate, outstanding }) => ({
    functions: [
      declare("CreateQueue", { saves: ["rbx"], locals: 0x20 }, call("nt!ExAllocatePoolWithTag"), store("ClearHead")),
      declare(
        "QueueRequest",
        { saves: ["rbx", "rdi"], locals: 0x20 },
        call("nt!ExAllocatePoolWithTag"),
        store("LinkRequest"),
      ),
      declare("CancelRequest", { saves: ["rbx"], locals: 0x20 }, load("ReadLinks"), failFast("ListIsCorrupt")),
      declare(
        "CompleteRequest",
        { saves: ["rbx", "rsi"], locals: 0x28 },
        load("ReadLinks"),
        failFast("ListIsCorrupt"),
        call("nt!ExFreePoolWithTag"),
      ),
      declare(
        "WorkerRoutine",
        { saves: ["rbx", "rsi", "rdi"], locals: 0x40 },
        call("CreateQueue"),
        call("nt!KeDelayExecutionThread"),
        call("QueueRequest"),
        call("CancelRequest"),
        call("CompleteRequest"),
      ),
    ],
    worker: {
      function: "WorkerRoutine",
      *routine({ services, random, function: own }, thread) {
        const allocate = () => services.exAllocatePoolWithTag(thread, "nonpaged", REQUEST_BYTES, "Rqst");
        const remove = (request: bigint) =>
          services.removeEntryList(thread, { read: "ReadLinks", giveUp: "ListIsCorrupt" }, request);
        const head = thread.call(own("CreateQueue"), [], () => {
          const address = allocate();
          services.store(thread, "ClearHead", address, address);
          services.store(thread, "ClearHead", address + 8n, address);
          return address;
        });
        const queued: bigint[] = [];
        for (let seconds = 0; ; ) {
          const pause = random.between(0.5, 1.5) / rate;
          seconds += pause;
          yield* services.keDelayExecutionThread(thread, pause);
          queued.push(
            thread.call(own("QueueRequest"), [head], () => {
              const request = allocate();
              services.insertTailList(thread, "LinkRequest", head, request);
              return request;
            }),
          );
          const oldest = queued.length > outstanding ? queued.shift() : undefined;
          if (oldest === undefined) continue;
          if (seconds >= at) {
            services.harm.begins();
            thread.call(own("CancelRequest"), [oldest], () => remove(oldest));
          }
          thread.call(own("CompleteRequest"), [oldest], () => {
            remove(oldest);
            services.exFreePoolWithTag(thread, oldest);
          });
        }
      },
    },
  }),
});
