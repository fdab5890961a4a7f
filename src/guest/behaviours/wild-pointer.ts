import { z } from "zod";
import { call, declare, load, store } from "../image/function.ts";
import { duration } from "../quantities.ts";
import { DISPATCH_LEVEL } from "../threads/processor.ts";
import { behaviour } from "./behaviour.ts";

/** The first 8 TiB of the kernel's half, where nothing is mapped here; and addresses whose upper bits do not follow bit 47. */
const FIRST_ADDRESS = { unmapped: 0xffff_8000_0000_0000n, "non-canonical": 0xa5a5_0000_0000_0000n } as const;
const HIGH_BITS = 11;

/** A driver that takes for a pointer what is none: an index it did not check, a field it did not fill. */
export const wildPointer = behaviour({
  name: "wild-pointer",
  summary: "Reads or writes through a pointer that leads nowhere",
  options: z.strictObject({
    at: duration.prefault("20 s").meta({ description: "When, after it is loaded" }),
    address: z.enum(["unmapped", "non-canonical"]).default("unmapped").meta({
      description: "unmapped stops with 0x50, at DISPATCH_LEVEL with 0xD1; non-canonical with 0x7E",
    }),
    irql: z.enum(["passive", "dispatch"]).default("passive"),
    access: z.enum(["read", "write"]).default("read"),
  }),
  program: ({ at, address, irql, access }) => ({
    functions: [
      declare(
        "FollowLink",
        { saves: ["rbx", "rsi"], locals: 0x20 },
        call("nt!KfRaiseIrql"),
        load("ReadTarget"),
        store("WriteTarget"),
      ),
      declare("WalkTable", { saves: ["rbx", "rdi"], locals: 0x28 }, call("FollowLink")),
      declare(
        "WorkerRoutine",
        { saves: ["rbx", "rdi"], locals: 0x30 },
        call("nt!KeDelayExecutionThread"),
        call("WalkTable"),
      ),
    ],
    worker: {
      function: "WorkerRoutine",
      *routine({ services, random, function: own }, thread) {
        yield* services.keDelayExecutionThread(thread, at * random.between(0.98, 1.02));
        const low = BigInt(random.below(2 ** HIGH_BITS)) * 2n ** 32n + BigInt(random.word() >>> 0);
        const target = FIRST_ADDRESS[address] + (low & ~7n);
        services.harm.begins();
        thread.call(own("WalkTable"), [target], () =>
          thread.call(own("FollowLink"), [target], () => {
            if (irql === "dispatch") services.kfRaiseIrql(thread, DISPATCH_LEVEL);
            if (access === "read") services.load(thread, "ReadTarget", target);
            else services.store(thread, "WriteTarget", target, 1n);
          }),
        );
      },
    },
  }),
});
