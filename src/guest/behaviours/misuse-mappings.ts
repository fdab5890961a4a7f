import { z } from "zod";
import { call, declare } from "../image/function.ts";
import { duration, rate } from "../quantities.ts";
import { behaviour } from "./behaviour.ts";

const PAGE = 4096;
const PTE_BYTES = 8;

/** A driver that maps its buffer for each request, and from some time on does not give back what it was given. */
export const misuseMappings = behaviour({
  name: "misuse-mappings",
  summary: "Frees mappings a second time, with a page too many, or at an address a page too high",
  options: z.strictObject({
    mistake: z
      .enum(["freed-twice", "wrong-count", "wrong-address"])
      .default("freed-twice")
      .meta({ description: "What it does wrong: each shows as another kind of 0xDA" }),
    at: duration.prefault("10 s").meta({ description: "From when on, after it is loaded" }),
    rate: rate.prefault("20 per second").meta({ description: "Requests" }),
    pages: z.int().min(1).max(16).default(4).meta({ description: "Pages of its buffer" }),
    late: duration.prefault("2 s").meta({ description: "Time between the two frees of a mapping" }),
  }),
  program: ({ mistake, at, rate, pages, late }) => ({
    functions: [
      declare("MapRequest", { saves: ["rbx", "rdi"], locals: 0x20 }, call("nt!MmMapLockedPagesSpecifyCache")),
      declare("ReleaseMapping", { saves: ["rbx", "rsi"], locals: 0x20 }, call("nt!MmUnmapLockedPages")),
      declare("CompleteRequest", { saves: ["rbx"], locals: 0x10 }, call("ReleaseMapping")),
      declare("CancelExpired", { saves: ["rbx", "rdi"], locals: 0x10 }, call("ReleaseMapping"), call("nt!IoFreeMdl")),
      declare(
        "WorkerRoutine",
        { saves: ["rbx", "rsi", "rdi"], locals: 0x40 },
        call("nt!ExAllocatePoolWithTag"),
        call("nt!KeDelayExecutionThread"),
        call("nt!IoAllocateMdl"),
        call("nt!MmBuildMdlForNonPagedPool"),
        call("MapRequest"),
        call("CompleteRequest"),
        call("CancelExpired"),
        call("nt!IoFreeMdl"),
      ),
    ],
    worker: {
      function: "WorkerRoutine",
      *routine({ services, random, function: own }, thread) {
        const buffer = services.exAllocatePoolWithTag(thread, "nonpaged", pages * PAGE, "Reqs");
        const expired: { readonly mapped: bigint; readonly mdl: bigint; readonly due: number }[] = [];
        const release = (caller: string, mapped: bigint, mdl: bigint, more: () => void) =>
          thread.call(own(caller), [mapped, mdl], () => {
            thread.call(own("ReleaseMapping"), [mapped, mdl], () =>
              services.mdls.mmUnmapLockedPages(thread, mapped, mdl),
            );
            more();
          });
        /** Entries of its own that a release at a wrong address has left behind. */
        const left = new Set<bigint>();
        // What else is mapped in these pages by then is somebody else's.
        const wrongly = (first: bigint, count: number, releaseThem: () => void) => {
          const others = services.mdls.validPtes(first, count).filter((entry) => !left.has(entry));
          services.harm.begins();
          releaseThem();
          for (const entry of others) services.harm.wrote(entry, PTE_BYTES);
        };
        for (let seconds = 0; ; ) {
          const pause = random.between(0.5, 1.5) / rate;
          yield* services.keDelayExecutionThread(thread, pause);
          seconds += pause;
          while (expired.length > 0 && expired[0]!.due <= seconds) {
            const { mapped, mdl } = expired.shift()!;
            wrongly(mapped, pages, () =>
              release("CancelExpired", mapped, mdl, () => services.mdls.ioFreeMdl(thread, mdl)),
            );
          }
          const mdl = services.mdls.ioAllocateMdl(thread, buffer, pages * PAGE);
          services.mdls.mmBuildMdlForNonPagedPool(thread, mdl);
          const mapped = yield* thread.callWaiting(own("MapRequest"), [mdl], function* () {
            const address = services.mdls.mmMapLockedPagesSpecifyCache(thread, mdl);
            yield { kind: "compute", seconds: random.between(20e-6, 200e-6) };
            return address;
          });
          const isWrong = seconds >= at;
          if (isWrong && mistake === "wrong-count") services.mdls.setMdlByteCount(mdl, (pages + 1) * PAGE);
          const address = isWrong && mistake === "wrong-address" ? mapped + BigInt(PAGE) : mapped;
          const complete = () => release("CompleteRequest", address, mdl, () => {});
          if (isWrong && mistake !== "freed-twice") wrongly(mapped + BigInt(pages * PAGE), 1, complete);
          else complete();
          for (const entry of services.mdls.validPtes(mapped, 1)) left.add(entry);
          if (isWrong && mistake === "freed-twice") expired.push({ mapped, mdl, due: seconds + late });
          else services.mdls.ioFreeMdl(thread, mdl);
        }
      },
    },
  }),
});
