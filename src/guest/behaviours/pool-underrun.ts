import { z } from "zod";
import { call, declare, fill } from "../image/function.ts";
import { duration, rate } from "../quantities.ts";
import { behaviour } from "./behaviour.ts";
import { blocksOf, poolBuffer, RECORD_BYTE } from "./pool-buffer.ts";

/** A driver that puts a header in front of what it sends, and comes not to leave room for it. */
export const poolUnderrun = behaviour({
  name: "pool-underrun",
  summary: "Writes before the start of its pool blocks, and frees them some requests later",
  options: z.strictObject({
    at: duration.prefault("20 s").meta({ description: "From when on it leaves no room, after it is loaded" }),
    rate: rate.prefault("40 per second").meta({ description: "Allocations" }),
    bytes: z.int().min(1).max(2000).default(24).meta({ description: "Bytes it writes before the start of a block" }),
    outstanding: z.int().min(0).max(1000).default(24).meta({ description: "Blocks it keeps at one time" }),
    ...poolBuffer,
  }),
  program: ({ at, rate, bytes, outstanding, size, tag }) => ({
    functions: [
      declare("AllocatePacket", { saves: ["rbx"], locals: 0x20 }, call("nt!ExAllocatePoolWithTag")),
      declare("PrependHeader", { saves: ["rbx", "rdi"], locals: 0x30 }, fill("WriteHeader")),
      declare("RetirePacket", { saves: ["rbx"], locals: 0x10 }, call("nt!ExFreePoolWithTag")),
      declare(
        "WorkerRoutine",
        { saves: ["rbx", "rsi", "rdi"], locals: 0x40 },
        call("nt!KeDelayExecutionThread"),
        call("AllocatePacket"),
        call("PrependHeader"),
        call("RetirePacket"),
      ),
    ],
    worker: {
      function: "WorkerRoutine",
      *routine({ services, random, function: own }, thread) {
        const kept: bigint[] = [];
        for (let seconds = 0; ; ) {
          const pause = random.between(0.5, 1.5) / rate;
          seconds += pause;
          yield* services.keDelayExecutionThread(thread, pause);
          const allocate = () => services.exAllocatePoolWithTag(thread, "nonpaged", size, tag);
          const packet = thread.call(own("AllocatePacket"), [], allocate);
          kept.push(packet);
          const header = seconds < at ? packet : packet - BigInt(bytes);
          const length = Math.min(bytes, size);
          if (header < packet) services.harm.begins();
          thread.call(own("PrependHeader"), [packet], () =>
            services.fill(thread, "WriteHeader", header, length, RECORD_BYTE),
          );
          services.harm.wrote(header, length, blocksOf(kept, size));
          const oldest = kept.length > outstanding ? kept.shift() : undefined;
          if (oldest !== undefined)
            thread.call(own("RetirePacket"), [oldest], () => services.exFreePoolWithTag(thread, oldest));
        }
      },
    },
  }),
});
