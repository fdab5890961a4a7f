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

/** tk_core starts with a sequence counter, in PREEMPT_RT kernels with its lock's address as well; then comes the timekeeper. */
const TIMEKEEPER = [8n, 16n];
const NANOSECONDS = 1e9;
/** 2500-01-01: later than that is damage, and would be no date. */
const LATEST = 16_725_225_600;

/** Null when the timekeeper is not in the dump. */
export function readClock(memory: KernelMemory, symbols: Kallsyms, types: Btf): KernelClock | null {
  const core = symbols.address("tk_core");
  const fields = fieldsOf(types);
  if (core === null || fields === null) return null;
  for (const offset of TIMEKEEPER) {
    const clock = readTimekeeper(memory, fields, core + offset);
    if (clock) return clock;
  }
  return null;
}

function fieldsOf(types: Btf) {
  const wanted = {
    realSeconds: types.offset("timekeeper", "xtime_sec"),
    monotonicSeconds: types.offset("timekeeper", "ktime_sec"),
    toMonotonicSeconds: types.offset("timekeeper", "wall_to_monotonic.tv_sec"),
    toMonotonicNanoseconds: types.offset("timekeeper", "wall_to_monotonic.tv_nsec"),
    fraction: types.offset("timekeeper", "tkr_mono.xtime_nsec"),
    shift: types.offset("timekeeper", "tkr_mono.shift"),
  };
  return Object.values(wanted).includes(null) ? null : (wanted as { [K in keyof typeof wanted]: number });
}

/**
 * The wall clock and the monotonic clock. A timekeeper holds whole seconds of both, and they must agree with the offset
 * between them, or there is none at this address and the answer is null.
 */
function readTimekeeper(
  memory: KernelMemory,
  fields: NonNullable<ReturnType<typeof fieldsOf>>,
  timekeeper: bigint,
): KernelClock | null {
  const signed = (at: number) => {
    const value = memory.u64(timekeeper + BigInt(at));
    return value === null ? Number.NaN : Number(BigInt.asIntN(64, value));
  };
  const shift = (memory.u32(timekeeper + BigInt(fields.shift)) ?? 0) & 31;
  const realSeconds = signed(fields.realSeconds) + signed(fields.fraction) / 2 ** shift / NANOSECONDS;
  const toMonotonic = signed(fields.toMonotonicSeconds) + signed(fields.toMonotonicNanoseconds) / NANOSECONDS;
  const monotonicSeconds = realSeconds + toMonotonic;
  const isTimekeeper =
    realSeconds > 0 && realSeconds < LATEST && Math.floor(monotonicSeconds) === signed(fields.monotonicSeconds);
  return isTimekeeper ? { monotonicSeconds, realSeconds } : null;
}
