import { z } from "zod";
import { PAGE_SIZE } from "../../binary/index.ts";
import { call, declare, load } from "../image/function.ts";
import { duration, rate } from "../quantities.ts";
import { DISPATCH_LEVEL } from "../threads/processor.ts";
import { behaviour } from "./behaviour.ts";

/** A driver that looks entries up under a spin lock, in a table which is pageable: all is well as long as the page is there. */
export const pageableAtDispatch = behaviour({
  name: "pageable-at-dispatch",
  summary: "Looks entries up in a pageable table at DISPATCH_LEVEL, mostly in a page that is in memory anyway",
  options: z.strictObject({
    at: duration.prefault("20 s").meta({
      description: "When it needs, for once, an entry that has not been used for long, after it is loaded",
    }),
    rate: rate.prefault("50 per second").meta({ description: "Look-ups" }),
    pages: z.int().min(2).max(4096).default(16).meta({ description: "Pages of the table" }),
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
        "IndexRoutine",
        { saves: ["rbx", "rdi"], locals: 0x30 },
        call("CreateTable"),
        call("nt!KeDelayExecutionThread"),
        call("LookUpLocked"),
      ),
    ],
    worker: {
      function: "IndexRoutine",
      *routine({ services, random, function: own }, thread) {
        const table = thread.call(own("CreateTable"), [], () => services.mmAllocatePageable(thread, pages));
        const seldom = at * random.between(0.9, 1.1);
        for (let seconds = 0; ; ) {
          const pause = random.between(0.5, 1.5) / rate;
          yield* services.keDelayExecutionThread(thread, pause);
          const page = seconds < seldom && seconds + pause >= seldom ? pages - 1 : 0;
          seconds += pause;
          const entry = table + BigInt(page * PAGE_SIZE + 8 * random.below(PAGE_SIZE / 8));
          yield* thread.callWaiting(own("LookUpLocked"), [entry], function* () {
            const irql = services.kfRaiseIrql(thread, DISPATCH_LEVEL);
            services.harm.begins();
            yield* services.loadPageable(thread, "ReadEntry", entry);
            services.keLowerIrql(thread, irql);
          });
        }
      },
    },
  }),
});
