import type { Btf } from "./btf.ts";
import type { Kallsyms } from "./kallsyms.ts";
import type { KernelMemory } from "./kernel-memory.ts";
import { readTaskAt, type Task } from "./tasks.ts";

/** CONFIG_NR_CPUS is at most this on x86-64 (MAXSMP). */
const MOST_PROCESSORS = 8192;

/** How many processors the kernel knows as present; null when it cannot be read. A panic takes all but one offline. */
export function presentProcessors(memory: KernelMemory, symbols: Kallsyms): number | null {
  const limitAt = symbols.address("nr_cpu_ids");
  const mask = symbols.address("__cpu_present_mask");
  const limit = limitAt === null ? null : memory.u32(limitAt);
  if (mask === null || !limit || limit > MOST_PROCESSORS) return null;
  const bytes = memory.read(mask, Math.ceil(limit / 8));
  if (bytes === null) return null;
  let present = 0;
  for (let n = 0; n < limit; n++) if ((bytes[n >> 3]! >> (n & 7)) & 1) present++;
  return present || null;
}

/** The task each processor was running: its run queue's current one. Null for a processor whose pages are missing. */
export function currentTasks(memory: KernelMemory, symbols: Kallsyms, types: Btf, processors: number): (Task | null)[] {
  const queues = symbols.address("runqueues");
  const offsets = symbols.address("__per_cpu_offset");
  const current = types.offset("rq", "curr");
  if (queues === null || offsets === null || current === null) return [];
  return Array.from({ length: Math.min(processors, MOST_PROCESSORS) }, (_, n) => {
    const area = memory.u64(offsets + BigInt(n * 8));
    const task = area === null ? null : memory.u64(BigInt.asUintN(64, queues + area + BigInt(current)));
    return task ? readTaskAt(memory, types, task) : null;
  });
}

/** The processor that panicked; -1 when none did, null when that cannot be read. */
export function panicProcessor(memory: KernelMemory, symbols: Kallsyms): number | null {
  const at = symbols.address("panic_cpu");
  const value = at === null ? null : memory.i32(at);
  return value !== null && value >= -1 && value < MOST_PROCESSORS ? value : null;
}
