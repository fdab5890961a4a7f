import { z } from "zod";
import { PAGE_SIZE } from "../../binary/index.ts";
import { call, callPointer, declare } from "../image/function.ts";
import { duration, rate } from "../quantities.ts";
import { behaviour } from "./behaviour.ts";
import { RECORD_BYTE } from "./pool-buffer.ts";

/** Seconds that its device takes for a transfer. */
const TRANSFER_SECONDS = 0.002;

/** A driver that frees a buffer when a request times out, and does not stop the device that is still to write there. */
export const dmaAfterFree = behaviour({
  name: "dma-after-free",
  summary: "Frees buffers that its device writes to later on, whoever has the memory by then",
  options: z.strictObject({
    at: duration.prefault("20 s").meta({ description: "From when on transfers come late, after it is loaded" }),
    rate: rate.prefault("5 per second").meta({ description: "Transfers" }),
    pages: z.int().min(1).max(16).default(2).meta({ description: "Pages of a buffer" }),
    bytes: z
      .int()
      .min(1)
      .max(PAGE_SIZE)
      .default(512)
      .meta({ description: "Bytes that are written to each page of a buffer, from its start" }),
    late: duration.prefault("150 ms").meta({ description: "Time between the free and the write" }),
  }),
  program: ({ at, rate, pages, bytes, late }) => ({
    functions: [
      declare(
        "StartTransfer",
        { saves: ["rbx", "rdi"], locals: 0x28 },
        call("nt!ExAllocatePoolWithTag"),
        callPointer("GetScatterGatherList"),
      ),
      declare(
        "EndTransfer",
        { saves: ["rbx"], locals: 0x10 },
        callPointer("PutScatterGatherList"),
        call("nt!ExFreePoolWithTag"),
      ),
      declare(
        "WorkerRoutine",
        { saves: ["rbx", "rsi", "rdi"], locals: 0x40 },
        call("nt!KeDelayExecutionThread"),
        call("StartTransfer"),
        call("EndTransfer"),
      ),
    ],
    worker: {
      function: "WorkerRoutine",
      *routine({ name, services, random, function: own }, thread) {
        for (let seconds = 0; ; ) {
          const pause = random.between(0.5, 1.5) / rate;
          yield* services.keDelayExecutionThread(thread, pause);
          const isLate = seconds >= at;
          const { buffer, transfer } = thread.call(own("StartTransfer"), [], () => {
            const address = services.exAllocatePoolWithTag(thread, "nonpaged", pages * PAGE_SIZE, "Dbuf");
            const list = services.dma.getScatterGatherList(thread, name, address, pages * PAGE_SIZE);
            const seconds = isLate ? late + TRANSFER_SECONDS : TRANSFER_SECONDS / 2;
            services.dma.deviceWrites(seconds, list, { bytes, value: RECORD_BYTE, isWrong: isLate });
            return { buffer: address, transfer: list };
          });
          yield* services.keDelayExecutionThread(thread, TRANSFER_SECONDS);
          thread.call(own("EndTransfer"), [buffer], () => {
            services.dma.putScatterGatherList(thread, transfer);
            services.exFreePoolWithTag(thread, buffer);
          });
          if (isLate) yield* services.keDelayExecutionThread(thread, late * 2);
          seconds += pause;
        }
      },
    },
  }),
});
