import { describe, expect, it } from "vitest";
import { Random } from "../../../src/binary/index.ts";
import {
  type BlockRequest,
  ContinuousMedia,
  calibrationDisk,
  HardDisk,
  REQUEST_CLASSES,
  type RequestClass,
  type SeekLaw,
} from "../../../src/storage/index.ts";
import { request } from "../request.ts";
import { PlainMedia } from "./plain-media.ts";

interface Mix {
  readonly name: string;
  readonly depth: number;
  /** Percentages. */
  readonly writes: number;
  readonly neighbours: number;
  readonly streams: number;
  readonly raises: number;
  readonly pauses: number;
  /** Milliseconds. */
  readonly longestPause: number;
  /** Of streams. */
  readonly periods: readonly number[];
  /** Sectors among which the rest lies. */
  readonly span: number;
  /** The same of critical requests. */
  readonly criticalSpan: number;
  readonly sizes: readonly number[];
  readonly classes: readonly RequestClass[];
  /** The arm's; none: the calibration disk's. */
  readonly seek?: SeekLaw;
}

const { sectors } = new HardDisk(calibrationDisk());
const plain = {
  depth: 24,
  writes: 50,
  neighbours: 0,
  streams: 0,
  raises: 0,
  pauses: 1,
  longestPause: 3000,
  periods: [100, 250, 500, 1000],
  span: sectors,
  criticalSpan: sectors,
  sizes: [8],
} as const;
const mixes: readonly Mix[] = [
  { ...plain, name: "reads and writes all over the disk", classes: ["normal"] },
  { ...plain, name: "writes that wait long", depth: 128, writes: 96, classes: ["normal"] },
  { ...plain, name: "neighbours", depth: 96, neighbours: 70, sizes: [8, 16, 128], classes: ["normal"] },
  { ...plain, name: "more neighbours than a transfer takes", neighbours: 90, sizes: [1024, 2048], classes: ["normal"] },
  {
    ...plain,
    name: "requests that overlap, and more than a transfer takes",
    span: 20_000,
    neighbours: 30,
    sizes: [8, 600, 3000, 5000],
    classes: ["normal"],
  },
  {
    ...plain,
    name: "many at the same sector, and more than a transfer takes",
    span: 3,
    sizes: [8, 200, 5000, 6000],
    classes: ["critical", "normal", "background"],
  },
  { ...plain, name: "all classes, which rise", neighbours: 30, raises: 10, classes: REQUEST_CLASSES },
  {
    ...plain,
    name: "all classes among neighbours",
    depth: 64,
    neighbours: 60,
    raises: 10,
    span: 2_000_000,
    sizes: [8, 64],
    classes: REQUEST_CLASSES,
  },
  { ...plain, name: "few requests, some critical", depth: 3, classes: ["critical", "background", "background"] },
  {
    ...plain,
    name: "critical requests, more and more of which have taken long",
    depth: 4,
    pauses: 80,
    longestPause: 100,
    criticalSpan: sectors / 10,
    classes: ["critical", "background"],
  },
  { ...plain, name: "few streams", streams: 15, classes: ["normal", "background"] },
  { ...plain, name: "streams alone", depth: 6, streams: 100, classes: ["normal"] },
  { ...plain, name: "streams in a hurry", depth: 4, streams: 60, periods: [30, 60, 120], classes: ["normal"] },
  {
    ...plain,
    name: "an arm that takes longer over some ways than over longer ones",
    seek: { kind: "two-part", division: 1300, root: [2, 0.3], line: [2, 0.002], first: [] },
    classes: ["normal"],
  },
  {
    ...plain,
    name: "streams of short and long periods",
    depth: 20,
    streams: 90,
    periods: [40, 400],
    classes: ["normal"],
  },
  { ...plain, name: "streams beside critical requests", depth: 4, streams: 20, classes: ["critical", "background"] },
  { ...plain, name: "many streams", depth: 40, writes: 20, streams: 60, neighbours: 20, classes: ["normal"] },
];

/** Where the two do not choose the same, the number of the choice; null: they always did. */
function firstDifference(mix: Mix, seed: number, choices: number): number | null {
  const random = new Random(seed, "choices");
  const disk = new HardDisk(calibrationDisk(mix.seek));
  const [media, twin] = [new ContinuousMedia(disk), new PlainMedia(disk)];
  const waiting = new Set<BlockRequest>();
  const oneOf = <T>(list: readonly T[]): T => list[random.below(list.length)]!;
  const isOneIn = (percentage: number) => random.below(100) < percentage;
  let [now, last] = [0, 0];

  const add = () => {
    const size = oneOf(mix.sizes);
    const requestClass = oneOf(mix.classes);
    const span = requestClass === "critical" ? Math.min(mix.span, mix.criticalSpan) : mix.span;
    const sector = isOneIn(mix.neighbours)
      ? Math.max(0, last + oneOf([0, 0, random.below(40) - 10]))
      : random.below(Math.min(span, sectors - 20_000));
    last = sector + size;
    const isStream = isOneIn(mix.streams);
    const one = request(sector, {
      sectors: size,
      write: !isStream && isOneIn(mix.writes),
      // Some have been under way for a while.
      arrival: isOneIn(10) ? now - random.between(0, 50) : now,
      class: requestClass,
      deadline: isStream ? now + oneOf(mix.periods) : Number.POSITIVE_INFINITY,
    });
    waiting.add(one);
    media.add(one);
    twin.add(one);
  };

  for (let choice = 0; choice < choices; choice++) {
    while (waiting.size < mix.depth) add();
    if (isOneIn(mix.raises)) {
      const [raised, to] = [oneOf([...waiting]), oneOf(REQUEST_CLASSES)];
      media.raise(raised, to);
      twin.raise(raised, to);
    }
    const [chosen, wanted] = [media.take(now), twin.take(now)];
    const isSame =
      chosen?.sector === wanted?.sector &&
      chosen?.sectors === wanted?.sectors &&
      (chosen?.parts ?? [chosen]).every((part, index) => part === (wanted?.parts ?? [wanted])[index]) &&
      media.wakeAt === twin.wakeAt &&
      media.size === twin.size;
    if (!isSame) return choice;
    if (chosen === null) {
      now = media.wakeAt;
      continue;
    }
    for (const part of chosen.parts ?? [chosen]) waiting.delete(part);
    disk.submit(chosen, now);
    now = disk.complete().at + (isOneIn(mix.pauses) ? random.between(0, mix.longestPause) : 0);
  }
  return null;
}

describe("the scheduler for continuous media chooses as its slow twin does", () => {
  it.each(mixes)("$name", (mix) => {
    for (let seed = 1; seed <= 4; seed++) expect(firstDifference(mix, seed, 600)).toBeNull();
  });
});
