import { z } from "zod";
import { PAGE_SIZE } from "../../binary/index.ts";
import { call, declare, load } from "../image/function.ts";
import { duration, rate } from "../quantities.ts";
import { DISPATCH_LEVEL } from "../threads/processor.ts";
import { behaviour } from "./behaviour.ts";

/** A driver that keeps a table in pageable memory and, one day, looks something up while it holds a spin lock. That goes well as long as the page is there. */
export const pageableAtDispatch = behaviour({
  name: "pageable-at-dispatch",
  summary: "Reads pageable memory at DISPATCH_LEVEL, which stops the machine when the page is not there",
  options: z.strictObject({
    at: duration.prefault("20 s").meta({ description: "From when on it holds a lock, after it is loaded" }),
    rate: rate.prefault("20 per second").meta({ description: "Look-ups" }),
    pages: z.int().min(1).max(4096).default(32).meta({ description: "Pages of the table" }),
  }),
  program: ({ at, rate, pages }) => ({
    functions: [
      declare("CreateTable", { saves: ["rbx"], locals: 0x20 }, call("nt!MmAllocatePagesForMdl")),
      declare(
        "LookUpLocked",
        { saves: ["rbx", "rsi"], locals: 0x20 },
        call("nt!KfRaiseIrql"),
        load("ReadEntry"),
        call("nt!KeLowerIrql"),
      ),
      declare(
        "WorkerRoutine",
        { saves: ["rbx", "rdi"], locals: 0x30 },
        call("CreateTable"),
        call("nt!KeDelayExecutionThread"),
        call("LookUpLocked"),
      ),
    ],
    worker: {
      function: "WorkerRoutine",
      *routine({ services, random, function: own }, thread) {
        const table = thread.call(own("CreateTable"), [], () => services.mmAllocatePageable(thread, pages));
        for (let seconds = 0; ; ) {
          const pause = random.between(0.5, 1.5) / rate;
          seconds += pause;
          yield* services.keDelayExecutionThread(thread, pause);
          const entry = table + BigInt(random.below(pages) * PAGE_SIZE + 8 * random.below(PAGE_SIZE / 8));
          const isLocked = seconds >= at;
          if (isLocked) services.harm.begins();
          yield* thread.callWaiting(own("LookUpLocked"), [entry], function* () {
            if (!isLocked) return yield* services.loadPageable(thread, "ReadEntry", entry);
            const irql = services.kfRaiseIrql(thread, DISPATCH_LEVEL);
            const found = services.load(thread, "ReadEntry", entry);
            services.keLowerIrql(thread, irql);
            return found;
          });
        }
      },
    },
  }),
});
