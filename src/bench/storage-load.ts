import { basename } from "node:path";
import { Random, StopcodeError } from "../binary/index.ts";
import {
  calibrate,
  type Demand,
  type DiskParameters,
  inventedDemands,
  type Pace,
  POLICIES,
  randomGaps,
  readBlockTrace,
  scaledGaps,
  type TracedRequest,
} from "../storage/index.ts";
import type { StorageBenchOptions } from "./storage-bench.ts";

/** Requests of the load that is made where no trace is given. */
const INVENTED = 20_000;

/** What streams run beside. */
export interface NamedLoad {
  readonly name: string;
  readonly demands: readonly Demand[];
  /** From the demand before, in any unit. */
  readonly gaps: Float64Array;
}

/** The traces as loads of a device of so many sectors, or one that is made. Throws as `readBlockTrace` does. */
export function storageLoads(
  { traces, seed }: Pick<StorageBenchOptions, "traces" | "seed">,
  sectors: number,
): NamedLoad[] {
  if (traces.length === 0) {
    const gaps = randomGaps(INVENTED, new Random(seed, "gaps"));
    return [{ name: "made", demands: inventedDemands(sectors, INVENTED, seed), gaps }];
  }
  return traces.map((file) => {
    const { requests } = readBlockTrace(file);
    const gaps = Float64Array.from(requests, ({ arrival }, at) => arrival - (requests[at - 1]?.arrival ?? arrival));
    return { name: basename(file), demands: demandsOf(requests, sectors), gaps };
  });
}

/**
 * A trace's devices lie one after the other, and come around at the end of this one. A page that is read from a partition that is paged to is
 * critical: a thread waits for it.
 */
function demandsOf(requests: readonly TracedRequest[], sectors: number): Demand[] {
  const ends: number[] = [];
  for (const { device, sector, sectors: length } of requests)
    ends[device] = Math.max(ends[device] ?? 0, sector + length);
  const begins = ends.map((_, device) => ends.slice(0, device).reduce((sum, end) => sum + end, 0));
  return requests.map(({ device, sector, sectors: length, write, isSwap }) => {
    const count = Math.min(length, sectors);
    const place = (begins[device]! + sector) % (sectors - count + 1);
    return { sector: place, sectors: count, write, ...(isSwap && !write ? { class: "critical" } : {}) };
  });
}

/** Throws `trace/no-times` where requests are to arrive in their own time and have none. */
export function paceOf(
  load: NamedLoad,
  { depth, utilisation, seed }: Pick<StorageBenchOptions, "depth" | "utilisation" | "seed">,
  disk: DiskParameters,
): Pace {
  if (utilisation === null) return { depth };
  if (load.gaps.every((gap) => gap === 0))
    throw new StopcodeError("trace/no-times", `all requests of ${load.name} arrive at once`, {
      hint: "leave out --utilisation: the load then keeps --depth requests open",
    });
  const policy = POLICIES.find(({ name }) => name === "FCFS")!;
  const { demands } = load;
  const [streams, requests, milliseconds] = [[], demands.length, Number.POSITIVE_INFINITY];
  const alone = calibrate({ disk, policy, streams, demands, pace: { depth: 1 }, seed, requests, milliseconds });
  const service = 1000 / alone.iops;
  return { gaps: scaledGaps(load.gaps, (service * 100) / utilisation) };
}
