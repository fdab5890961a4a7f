import { z } from "zod";
import { PAGE_SIZE, type Random } from "../../binary/index.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { duration, rate } from "../quantities.ts";
import { TICKS_PER_SECOND } from "../threads/virtual-clock.ts";
import { machineCheck } from "./machine-check.ts";

const at = duration.meta({ description: "From when on, after each start of the partition" });

/** What the memory below a partition can do wrong by itself. */
export const memoryFault = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("bit-flip").meta({ description: "Single bits change, here and there, and nothing corrects them" }),
    at,
    rate: rate.prefault("10 per second"),
    where: z
      .enum(["pool", "processes"])
      .meta({ description: "In pages of nonpaged pool, or in pages that processes work on" }),
  }),
  z.strictObject({
    kind: z.literal("uncorrectable").meta({
      description: "Memory finds an error that it cannot correct, and says so: the processor raises a machine check",
    }),
    at,
  }),
]);

export type MemoryFault = z.output<typeof memoryFault>;

/** Tries to find a page that is there. */
const MOST_TRIES = 100_000;

/** Has a kernel's memory fail as a scenario wants it. */
export function startMemoryFaults(kernel: Kernel, faults: readonly MemoryFault[], random: Random): void {
  const { clock, harm } = kernel;
  for (const fault of faults) {
    const flip = (where: "pool" | "processes", rate: number) => {
      const frame = where === "pool" ? poolFrame(kernel, random) : workedOnFrame(kernel, random);
      if (frame !== null) {
        harm.begins();
        const gpa = frame * PAGE_SIZE + random.below(PAGE_SIZE);
        kernel.physical.writeU8(gpa, kernel.physical.readU8(gpa) ^ (1 << random.below(8)));
        harm.wrote(BigInt(gpa), 1);
      }
      clock.after((random.between(0.5, 1.5) / rate) * TICKS_PER_SECOND, () => flip(where, rate));
    };
    clock.at(fault.at * TICKS_PER_SECOND, () => {
      if (fault.kind === "bit-flip") return flip(fault.where, fault.rate);
      harm.begins();
      return machineCheck(kernel);
    });
  }
}

/** Any page of nonpaged pool that is there, special pool among them. */
function poolFrame({ nonPagedPool, specialPool, tables }: Kernel, random: Random): number | null {
  const pages = (pool: { readonly start: bigint; readonly end: bigint } | null) =>
    pool === null ? 0 : Number((pool.end - pool.start) / BigInt(PAGE_SIZE));
  const ordinary = pages(nonPagedPool);
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const page = random.below(ordinary + pages(specialPool));
    const pool = page < ordinary ? nonPagedPool : specialPool!;
    const gpa = tables.translate(pool.start + BigInt((page < ordinary ? page : page - ordinary) * PAGE_SIZE));
    if (gpa !== null) return gpa / PAGE_SIZE;
  }
  return null;
}

function workedOnFrame({ workedOn }: Kernel, random: Random): number | null {
  if (workedOn.length === 0) return null;
  const frames = workedOn[random.below(workedOn.length)]!();
  return frames[random.below(frames.length)]!;
}
