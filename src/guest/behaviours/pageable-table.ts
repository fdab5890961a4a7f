import { z } from "zod";
import { PAGE_SIZE } from "../../binary/index.ts";
import { call, declare, load } from "../image/function.ts";
import { rate } from "../quantities.ts";
import { behaviour } from "./behaviour.ts";

/** Of its pages, those that most look-ups need: they stay in memory, while the others leave for the page file. */
const HOT_SHARE = 1 / 8;
const HOT_LOOKUPS = 0.9;

/** A driver that does as it should with pageable memory: what it looks up may be in the page file, and is fetched from there. */
export const pageableTable = behaviour({
  name: "pageable-table",
  summary: "Looks entries up in a pageable table, most of which lies in the page file most of the time",
  options: z.strictObject({
    rate: rate.prefault("50 per second").meta({ description: "Look-ups" }),
    pages: z.int().min(1).max(4096).default(256).meta({ description: "Pages of the table" }),
  }),
  program: ({ rate, pages }) => ({
    functions: [
      declare("CreateTable", { saves: ["rbx"], locals: 0x20 }, call("nt!MmAllocatePagesForMdl")),
      declare("LookUpEntry", { saves: ["rbx", "rsi"], locals: 0x20 }, load("ReadEntry")),
      declare(
        "IndexRoutine",
        { saves: ["rbx", "rdi"], locals: 0x30 },
        call("CreateTable"),
        call("nt!KeDelayExecutionThread"),
        call("LookUpEntry"),
      ),
    ],
    worker: {
      function: "IndexRoutine",
      *routine({ services, random, function: own }, thread) {
        const table = thread.call(own("CreateTable"), [], () => services.mmAllocatePageable(thread, pages));
        const hot = Math.max(1, Math.floor(pages * HOT_SHARE));
        for (;;) {
          yield* services.keDelayExecutionThread(thread, random.between(0.5, 1.5) / rate);
          const page = random.between(0, 1) < HOT_LOOKUPS ? random.below(hot) : random.below(pages);
          const entry = table + BigInt(page * PAGE_SIZE + 8 * random.below(PAGE_SIZE / 8));
          yield* thread.callWaiting(own("LookUpEntry"), [entry], () =>
            services.loadPageable(thread, "ReadEntry", entry),
          );
        }
      },
    },
  }),
});
