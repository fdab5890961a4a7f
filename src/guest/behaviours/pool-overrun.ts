import { z } from "zod";
import { call, declare, fill } from "../image/function.ts";
import { duration, rate } from "../quantities.ts";
import { behaviour } from "./behaviour.ts";
import { blocksOf, poolBuffer, RECORD_BYTE } from "./pool-buffer.ts";

/** A driver whose device sends longer records, one day, than the buffers have room for that it has kept since it was loaded. */
export const poolOverrun = behaviour({
  name: "pool-overrun",
  summary: "Writes past the end of its pool blocks",
  options: z.strictObject({
    at: duration.prefault("20 s").meta({ description: "From when on its records are too long, after it is loaded" }),
    rate: rate
      .prefault("40 per second")
      .meta({ description: "Buffers allocated, and records when it has all of them" }),
    bytes: z.int().min(1).max(2000).default(16).meta({ description: "Bytes it writes past the end of a block" }),
    buffers: z.int().min(1).max(1000).default(24),
    frees: z.boolean().default(false).meta({ description: "It frees a buffer when its record has come" }),
    ...poolBuffer,
  }),
  program: ({ at, rate, bytes, buffers, frees, size, tag }) => ({
    functions: [
      declare("AllocateBuffer", { saves: ["rbx"], locals: 0x20 }, call("nt!ExAllocatePoolWithTag")),
      declare("ReceiveRecord", { saves: ["rbx", "rdi"], locals: 0x30 }, fill("CopyRecord")),
      declare("ReleaseBuffer", { saves: ["rbx"], locals: 0x10 }, call("nt!ExFreePoolWithTag")),
      declare(
        "WorkerRoutine",
        { saves: ["rbx", "rsi", "rdi"], locals: 0x40 },
        call("nt!KeDelayExecutionThread"),
        call("AllocateBuffer"),
        call("ReceiveRecord"),
        call("ReleaseBuffer"),
      ),
    ],
    worker: {
      function: "WorkerRoutine",
      *routine({ services, random, function: own }, thread) {
        const kept: bigint[] = [];
        for (let next = 0, seconds = 0; ; next++) {
          const pause = random.between(0.5, 1.5) / rate;
          seconds += pause;
          yield* services.keDelayExecutionThread(thread, pause);
          if (kept.length < buffers) {
            const allocate = () => services.exAllocatePoolWithTag(thread, "nonpaged", size, tag);
            kept.push(thread.call(own("AllocateBuffer"), [], allocate));
          }
          const buffer = kept[next % kept.length]!;
          const length = seconds < at ? size : size + bytes;
          if (length > size) services.harm.begins();
          thread.call(own("ReceiveRecord"), [buffer, BigInt(length)], () =>
            services.fill(thread, "CopyRecord", buffer, length, RECORD_BYTE),
          );
          services.harm.wrote(buffer + BigInt(size), length - size, blocksOf(kept, size));
          if (!frees) continue;
          thread.call(own("ReleaseBuffer"), [buffer], () => services.exFreePoolWithTag(thread, buffer));
          kept.splice(next % kept.length, 1);
        }
      },
    },
  }),
});
