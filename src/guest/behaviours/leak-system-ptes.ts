import { z } from "zod";
import { call, declare } from "../image/function.ts";
import { duration, rate } from "../quantities.ts";
import { behaviour } from "./behaviour.ts";

const BUFFER_PAGES = 16;

/** A driver that maps its buffer once more for every request, and forgets to unmap it. */
export const leakSystemPtes = behaviour({
  name: "leak-system-ptes",
  summary: "Maps pages again and again and never unmaps them, until no system PTE is left",
  options: z.strictObject({
    rate: rate.prefault("400 per second").meta({ description: "How often it maps" }),
    pages: z.int().min(1).max(BUFFER_PAGES).default(1).meta({ description: "Pages, and so PTEs, a time" }),
    start: duration.prefault("1 s").meta({ description: "When it begins, after it is loaded" }),
  }),
  program: ({ rate, pages, start }) => ({
    functions: [
      declare("MapBuffer", { saves: ["rbx", "rdi"], locals: 0x20 }, call("nt!MmMapLockedPagesSpecifyCache")),
      declare("CompleteRequest", { saves: ["rbx"], locals: 0x10 }, call("MapBuffer")),
      declare(
        "WorkerRoutine",
        { saves: ["rbx", "rsi"], locals: 0x40 },
        call("nt!ExAllocatePoolWithTag"),
        call("nt!IoAllocateMdl"),
        call("nt!MmBuildMdlForNonPagedPool"),
        call("nt!KeDelayExecutionThread"),
        call("CompleteRequest"),
      ),
    ],
    worker: {
      function: "WorkerRoutine",
      *routine({ services, random, function: own }, thread) {
        const buffer = services.exAllocatePoolWithTag(thread, "nonpaged", BUFFER_PAGES * 4096, "Leak");
        const mdl = services.mdls.ioAllocateMdl(thread, buffer, pages * 4096);
        services.mdls.mmBuildMdlForNonPagedPool(thread, mdl);
        yield* services.keDelayExecutionThread(thread, start);
        services.harm.begins();
        for (;;) {
          thread.call(own("CompleteRequest"), [mdl], () =>
            thread.call(own("MapBuffer"), [mdl], () => services.mdls.mmMapLockedPagesSpecifyCache(thread, mdl)),
          );
          yield* services.keDelayExecutionThread(thread, random.between(0.5, 1.5) / rate);
        }
      },
    },
  }),
});
