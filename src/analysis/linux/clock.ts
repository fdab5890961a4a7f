import type { Btf } from "./btf.ts";
import type { Kallsyms } from "./kallsyms.ts";
import type { KernelMemory } from "./kernel-memory.ts";

/** The kernel's clocks at their last tick. */
export interface KernelClock {
  /** Since boot, time asleep not counted. */
  readonly monotonicSeconds: number;
  /** Since 1970. */
  readonly realSeconds: number;
}

/** tk_core starts with a sequence counter; the timekeeper follows at its own alignment. */
const TIMEKEEPER = 8n;
const NANOSECONDS = 1e9;
/** 2500-01-01: later than that is damage, and would be no date. */
const LATEST = 16_725_225_600;

/**
 * The timekeeper's wall clock and monotonic clock. It holds whole seconds of both, and they must agree with the offset
 * between them, or this is no timekeeper and the answer is null.
 */
export function readClock(memory: KernelMemory, symbols: Kallsyms, types: Btf): KernelClock | null {
  const core = symbols.address("tk_core");
  const offset = (member: string) => types.offset("timekeeper", member);
  const [xtime, monotonic, toMonotonic] = [
    offset("xtime_sec"),
    offset("ktime_sec"),
    offset("wall_to_monotonic.tv_sec"),
  ];
  const [fraction, shift] = [offset("tkr_mono.xtime_nsec"), offset("tkr_mono.shift")];
  const toMonotonicNanoseconds = offset("wall_to_monotonic.tv_nsec");
  if (core === null || xtime === null || monotonic === null || toMonotonic === null) return null;
  if (fraction === null || shift === null || toMonotonicNanoseconds === null) return null;
  const signed = (at: number) => {
    const value = memory.u64(core + TIMEKEEPER + BigInt(at));
    return value === null ? Number.NaN : Number(BigInt.asIntN(64, value));
  };
  const nanoseconds = signed(fraction) / 2 ** ((memory.u32(core + TIMEKEEPER + BigInt(shift)) ?? 0) & 31);
  const realSeconds = signed(xtime) + nanoseconds / NANOSECONDS;
  const monotonicSeconds = realSeconds + signed(toMonotonic) + signed(toMonotonicNanoseconds) / NANOSECONDS;
  const plausible = realSeconds > 0 && realSeconds < LATEST && Math.floor(monotonicSeconds) === signed(monotonic);
  return plausible ? { monotonicSeconds, realSeconds } : null;
}
