import { Random } from "../../../src/binary/index.ts";
import { SolidStateDevice, type SolidStateParameters } from "../../../src/storage/index.ts";

/** One row of a data sheet: how the device is asked, and what it answers. */
export interface FigureTask {
  readonly write: boolean;
  readonly isSequential: boolean;
  readonly bytes: number;
  readonly depth: number;
  /** Every slot has been written before, and once more at random; otherwise the device is new. */
  readonly isWorn: boolean;
}

export interface Figure {
  readonly iops: number;
  readonly megabytes: number;
  readonly microseconds: number;
  /** What 999 of 1000 requests do not take longer than. */
  readonly microsecondsOfMost: number;
  readonly amplification: number;
}

const REQUESTS = 100_000;
/** The share of requests that a quality of service is stated for. */
const MOST = 0.999;

/** Asks as fio does, at a fixed depth, and measures once the buffer and the log are in their steady state. */
export function measureFigure(
  parameters: SolidStateParameters,
  { write, isSequential, bytes, depth, isWorn }: FigureTask,
): Figure {
  const device = new SolidStateDevice(parameters);
  if (isWorn || !write) device.mapping.fill();
  const sectors = bytes / 512;
  const places = Math.floor(device.sectors / sectors);
  const random = new Random(1, "figure");
  const total = device.sectors / 8;
  const before = !write ? 1000 : isWorn ? 3 * total : depth === 1 ? 0 : Math.min(20_000, places >> 1);
  const count = isWorn ? REQUESTS : depth === 1 ? 5_000 : write ? Math.min(REQUESTS, Math.floor(places / 3)) : REQUESTS;
  const latencies = new Float64Array(count);
  let id = 0;
  let now = 0;
  const submit = () => {
    const place = isSequential ? id % places : random.below(places);
    device.submit(
      {
        id: id++,
        sector: place * sectors,
        sectors,
        write,
        arrival: now,
        owner: 0,
        class: "normal",
        deadline: Number.POSITIVE_INFINITY,
      },
      now,
    );
  };
  for (let open = 0; open < depth; open++) submit();
  let begun = 0;
  let [written, moved] = [0, 0];
  for (let done = -before; done < count; done++) {
    const { request, at } = device.complete();
    now = at;
    if (done === 0) {
      begun = now;
      [written, moved] = [device.mapping.written, device.mapping.moved];
    }
    if (done >= 0) latencies[done] = at - request.arrival;
    submit();
  }
  const iops = count / ((now - begun) / 1000);
  const own = device.mapping.written - written;
  return {
    iops,
    megabytes: (iops * bytes) / 1e6,
    microseconds: (latencies.reduce((sum, latency) => sum + latency, 0) / count) * 1000,
    microsecondsOfMost: latencies.sort()[Math.floor(count * MOST)]! * 1000,
    amplification: own === 0 ? 1 : (own + device.mapping.moved - moved) / own,
  };
}
