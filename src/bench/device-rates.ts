import { Random } from "../binary/index.ts";
import {
  type BlockDevice,
  type Demand,
  type DiskParameters,
  HardDisk,
  SAMSUNG_970_PRO,
  SolidStateDevice,
} from "../storage/index.ts";

const ROUNDS = 9;
const REQUESTS = 100_000;
const SECTORS = 8;
const WRITES_OF_100 = 30;
/** Requests that the solid-state device has at a time. A disk has one. */
const DEPTH = 32;

/** How fast the host simulates a device by itself: requests of 4 KiB at random, three of ten are writes, none waits for a scheduler. */
export interface DeviceRate {
  readonly device: string;
  readonly requestsPerSecond: number;
}

/** The rates of a disk and of a solid-state device on which every slot has been written, so that it collects blocks: the best of several rounds. */
export function deviceRates(disk: DiskParameters): readonly DeviceRate[] {
  const solidState = new SolidStateDevice(SAMSUNG_970_PRO);
  solidState.mapping.fill();
  return [
    { device: disk.name, requestsPerSecond: rateOf(new HardDisk(disk)) },
    { device: SAMSUNG_970_PRO.name, requestsPerSecond: rateOf(solidState) },
  ];
}

function rateOf(device: BlockDevice): number {
  const random = new Random(1, "device rates");
  const demands: Demand[] = Array.from({ length: REQUESTS }, () => ({
    sector: SECTORS * random.below(Math.floor(device.sectors / SECTORS)),
    sectors: SECTORS,
    write: random.below(100) < WRITES_OF_100,
  }));
  let id = 0;
  let now = 0;
  const submit = (): void => {
    const { sector, sectors, write } = demands[id % REQUESTS]!;
    const deadline = Number.POSITIVE_INFINITY;
    device.submit({ id: id++, sector, sectors, write, arrival: now, owner: 0, class: "normal", deadline }, now);
  };
  for (let open = Math.min(device.depth, DEPTH); open > 0; open--) submit();
  let best = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const begun = performance.now();
    for (let served = 0; served < REQUESTS; served++) {
      now = device.complete().at;
      submit();
    }
    best = Math.max(best, (REQUESTS * 1000) / (performance.now() - begun));
  }
  return best;
}
