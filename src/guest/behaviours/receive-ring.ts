import { z } from "zod";
import { call, declare, store } from "../image/function.ts";
import { rate } from "../quantities.ts";
import { DISPATCH_LEVEL } from "../threads/processor.ts";
import { behaviour } from "./behaviour.ts";

const PAGE = 4096;

/** A driver as those of network adapters are: it keeps buffers mapped, writes to them at DISPATCH_LEVEL, and maps new ones in time. */
export const receiveRing = behaviour({
  name: "receive-ring",
  summary:
    "Keeps a ring of mapped buffers, fills one after another at raised IRQL, and maps each anew after it was filled",
  options: z.strictObject({
    rate: rate.prefault("60 per second").meta({ description: "Buffers that are filled" }),
    buffers: z.int().min(1).max(512).default(16).meta({ description: "Buffers of the ring" }),
    pages: z.int().min(1).max(16).default(4).meta({ description: "Pages of a buffer" }),
  }),
  program: ({ rate, buffers, pages }) => ({
    functions: [
      declare("FillBuffer", { saves: ["rbx"], locals: 0x20 }, store("WriteFrame")),
      declare(
        "ReceiveInterrupt",
        { saves: ["rbx", "rsi"], locals: 0x20 },
        call("nt!KfRaiseIrql"),
        call("FillBuffer"),
        call("nt!KeLowerIrql"),
      ),
      declare(
        "RefillRing",
        { saves: ["rbx", "rdi"], locals: 0x30 },
        call("nt!MmUnmapLockedPages"),
        call("nt!MmMapLockedPagesSpecifyCache"),
      ),
      declare(
        "PollRing",
        { saves: ["rbx", "rbp", "rsi"], locals: 0x40 },
        call("nt!ExAllocatePoolWithTag"),
        call("nt!IoAllocateMdl"),
        call("nt!MmBuildMdlForNonPagedPool"),
        call("nt!KeDelayExecutionThread"),
        call("ReceiveInterrupt"),
        call("RefillRing"),
      ),
    ],
    worker: {
      function: "PollRing",
      *routine({ services, random, function: own }, thread) {
        const buffer = services.exAllocatePoolWithTag(thread, "nonpaged", pages * PAGE, "Ring");
        const mdls = Array.from({ length: buffers }, () => {
          const mdl = services.mdls.ioAllocateMdl(thread, buffer, pages * PAGE);
          services.mdls.mmBuildMdlForNonPagedPool(thread, mdl);
          return mdl;
        });
        const mapped: bigint[] = [];
        for (let turn = 0; ; turn++) {
          yield* services.keDelayExecutionThread(thread, random.between(0.5, 1.5) / rate);
          const place = turn % buffers;
          const mdl = mdls[place]!;
          const full = mapped[place];
          if (full !== undefined)
            thread.call(own("ReceiveInterrupt"), [full], () => {
              const irql = services.kfRaiseIrql(thread, DISPATCH_LEVEL);
              thread.call(own("FillBuffer"), [full], () => {
                for (let page = 0; page < pages; page++)
                  services.store(thread, "WriteFrame", full + BigInt(page * PAGE), BigInt(turn));
              });
              services.keLowerIrql(thread, irql);
            });
          mapped[place] = thread.call(own("RefillRing"), [mdl], () => {
            if (full !== undefined) services.mdls.mmUnmapLockedPages(thread, full, mdl);
            return services.mdls.mmMapLockedPagesSpecifyCache(thread, mdl);
          });
        }
      },
    },
  }),
});
