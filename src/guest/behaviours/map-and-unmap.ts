import { z } from "zod";
import { call, declare } from "../image/function.ts";
import { rate } from "../quantities.ts";
import { behaviour } from "./behaviour.ts";

/** A driver that does as it should with system PTEs: what it maps it unmaps. */
export const mapAndUnmap = behaviour({
  name: "map-and-unmap",
  summary: "Maps a buffer for each request, works on it for a while and unmaps it",
  options: z.strictObject({
    rate: rate.prefault("60 per second").meta({ description: "Requests" }),
    pages: z.int().min(1).max(64).default(4).meta({ description: "Pages of the buffer" }),
  }),
  program: ({ rate, pages }) => ({
    functions: [
      declare("BeginTransfer", { saves: ["rbx", "rsi"], locals: 0x28 }, call("nt!MmMapLockedPagesSpecifyCache")),
      declare("EndTransfer", { saves: ["rbx"], locals: 0x18 }, call("nt!MmUnmapLockedPages"), call("nt!IoFreeMdl")),
      declare(
        "PumpRequests",
        { saves: ["rbx", "rbp", "rsi"], locals: 0x38 },
        call("nt!ExAllocatePoolWithTag"),
        call("nt!KeDelayExecutionThread"),
        call("nt!IoAllocateMdl"),
        call("nt!MmBuildMdlForNonPagedPool"),
        call("BeginTransfer"),
        call("EndTransfer"),
      ),
    ],
    worker: {
      function: "PumpRequests",
      *routine({ services, random, function: own }, thread) {
        const buffer = services.exAllocatePoolWithTag(thread, "nonpaged", pages * 4096, "Pump");
        for (;;) {
          yield* services.keDelayExecutionThread(thread, random.between(0.5, 1.5) / rate);
          const mdl = services.mdls.ioAllocateMdl(thread, buffer, pages * 4096);
          if (mdl === 0n) continue;
          services.mdls.mmBuildMdlForNonPagedPool(thread, mdl);
          const mapped = yield* thread.callWaiting(own("BeginTransfer"), [mdl], function* () {
            const address = services.mdls.mmMapLockedPagesSpecifyCache(thread, mdl);
            yield { kind: "compute", seconds: random.between(20e-6, 200e-6) };
            return address;
          });
          thread.call(own("EndTransfer"), [mapped, mdl], () => {
            services.mdls.mmUnmapLockedPages(thread, mapped, mdl);
            services.mdls.ioFreeMdl(thread, mdl);
          });
        }
      },
    },
  }),
});
