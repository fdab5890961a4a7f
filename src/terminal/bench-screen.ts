import type {
  AccessFigure,
  FillFigure,
  Goal,
  LargePageFigure,
  PagingBench,
  PagingPart,
  StreamFigure,
  WorkingSetFigure,
} from "../bench/index.ts";
import { bold, columns, count, dim, green, printable, red, size } from "./style.ts";

const nanoseconds = (time: number): string => `${time.toFixed(2)} ns`;
const ratio = (times: number): string => `${times.toFixed(2)}x`;

/** What was measured, a table a part, and under each the figures that have a goal, beside it. */
export function pagingBenchScreen(bench: PagingBench): string {
  const missed = bench.goals.filter((goal) => !goal.met).length;
  const head = [
    `${count(bench.goals.length - missed)} of ${count(bench.goals.length)} goals met`,
    `Node ${bench.node.slice(1)}`,
    printable(bench.processor),
    `${bench.seconds.toFixed(0)} s`,
  ];
  return [
    "",
    `  ${head.join(" · ")}`,
    ...part("access", bench, "8 bytes at random, beside a raw typed-array access", accessTable(bench.access)),
    ...part("fills", bench, "shadow fills: a TLB miss that makes leaves and enters them", fillTable(bench.fills)),
    ...part("streams", bench, "address streams", [
      ...streamCountTable(bench.streams),
      ...(bench.streams.length > 0 ? [""] : []),
      ...streamTimeTable(bench.streams),
      ...(bench.workingSets.length > 0 ? ["", dim("refills of page strings after switching back")] : []),
      ...workingSetTable(bench.workingSets),
    ]),
    ...part("large", bench, "large pages of a partition", bench.large.flatMap(largePageLines)),
    "",
  ].join("\n");
}

function part(name: PagingPart, { goals }: PagingBench, title: string, lines: readonly string[]): string[] {
  if (lines.length === 0) return [];
  const own = goalTable(goals.filter((goal) => goal.part === name));
  return ["", `  ${bold(title)}`, ...lines.map((line) => `  ${line}`.trimEnd()), "", ...own.map((line) => `  ${line}`)];
}

function table(head: readonly string[], rows: readonly (readonly string[])[], words: number): string[] {
  if (rows.length === 0) return [];
  const numbers = head.flatMap((_, column) => (column < words ? [] : [column]));
  return columns([head.map(dim), ...rows], numbers);
}

function goalTable(goals: readonly Goal[]): string[] {
  const value = (number: number, { unit }: Goal) =>
    `${Number.isInteger(number) ? count(number) : number.toFixed(2)}${/^[x%]/.test(unit) ? "" : " "}${unit}`;
  const rows = goals.map((goal) => [
    goal.met ? green("✓") : red("✗"),
    printable(goal.what),
    value(goal.figure, goal),
    `${goal.relation} ${value(goal.limit, goal)}`,
    goal.met ? green("met") : red("missed"),
  ]);
  return table(["", "goal", "figure", "", ""], rows, 2);
}

function accessTable(figures: readonly AccessFigure[]): string[] {
  const head = ["engine", "set", "pages", "raw", "one by one", "to raw", "in runs", "to raw"];
  const rows = figures.map((figure) => [
    ...[figure.engine, size(figure.bytes), figure.pages, nanoseconds(figure.rawRead)],
    ...[nanoseconds(figure.read), bold(ratio(figure.readRatio))],
    ...[nanoseconds(figure.readInRuns), bold(ratio(figure.readInRunsRatio))],
    ...[figure.rawWriteToRead, figure.writeToRead, figure.writeToReadInRuns].map(ratio),
  ]);
  return table([...head, "writes/reads: raw", "one by one", "in runs"], rows, 3);
}

function fillTable(figures: readonly FillFigure[]): string[] {
  const rows = figures.map((figure) => [
    ...[size(figure.pages * 4096), figure.order, figure.untouched ? "to be set" : "set", nanoseconds(figure.rawRead)],
    ...[count(figure.batch), nanoseconds(figure.fill), ratio(figure.ratio)],
    ...[count(figure.hiddenFaults), count(figure.fills)],
  ]);
  return table(
    ["set", "order", "flags", "raw", "a fault fills", "a leaf", "to raw", "hidden faults", "leaves"],
    rows,
    3,
  );
}

function streamCountTable(streams: readonly StreamFigure[]): string[] {
  const rows = streams.flatMap((stream) =>
    (["touched", "untouched"] as const).map((before) => {
      const { oneByOne, inBatches, fewer } = stream[before];
      const [name, accesses, pages, misses] = [stream.stream, stream.accesses, stream.pages, stream.tlbMisses];
      const counts = [count(accesses), count(pages), count(misses)];
      const flagWrites = [count(stream.lazyFlagWrites), count(stream.eagerFlagWrites)];
      return before === "touched"
        ? [printable(name), "from an earlier run", ...counts, count(oneByOne), count(inBatches), ratio(fewer), "", ""]
        : ["", "none", "", "", "", count(oneByOne), count(inBatches), ratio(fewer), ...flagWrites];
    }),
  );
  const head = [
    "stream",
    "flags",
    "accesses",
    "pages",
    "TLB misses",
    "hidden faults: one by one",
    "in batches",
    "fewer",
  ];
  return table([...head, "flag writes: lazy", "eager"], rows, 2);
}

function streamTimeTable(streams: readonly StreamFigure[]): string[] {
  const rows = streams.flatMap(({ stream, engines }) =>
    engines.map((figure, index) => [
      ...[index === 0 ? printable(stream) : "", figure.engine, nanoseconds(figure.raw)],
      ...[nanoseconds(figure.oneByOne), bold(ratio(figure.oneByOneRatio))],
      ...[nanoseconds(figure.inRuns), bold(ratio(figure.inRunsRatio))],
    ]),
  );
  return table(["stream", "engine", "raw", "one by one", "to raw", "in runs", "to raw"], rows, 2);
}

/** A row a string and a way to switch: refills under one, two, three and four address spaces, and what the last one did. */
function workingSetTable(figures: readonly WorkingSetFigure[]): string[] {
  const rows = figures.flatMap(({ string, runs }) =>
    (["MOV CR3", "hypercall"] as const).map((way, index) => {
      const own = runs.filter(({ switchedBy }) => switchedBy === way);
      const last = own.at(-1);
      return [
        ...[index === 0 ? printable(string) : "", way, count(last?.pages ?? 0), count(last?.accesses ?? 0)],
        ...[count(last?.switches ?? 0), count(last?.hiddenFaults ?? 0), ...own.map(({ refills }) => count(refills))],
      ];
    }),
  );
  const head = ["string", "switched by", "pages", "accesses", "switches", "hidden faults"];
  return table([...head, "refills: 1 space", "2", "3", "4"], rows, 2);
}

function largePageLines(figure: LargePageFigure): string[] {
  return [
    `${count(figure.eligible)} of ${count(figure.regions)} regions of 2 MiB are eligible; ${count(figure.mappedLarge)} were mapped large`,
    `${nanoseconds(figure.splitAndRejoin)} for a split and a rejoin: ${count(Math.round(figure.changesPerSecond))} changes a second, ${count(figure.rejoins)} of ${count(figure.splits)} joined again; raw ${nanoseconds(figure.rawRead)}`,
  ];
}
