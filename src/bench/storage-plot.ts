import type { StorageBench } from "./storage-bench.ts";

const WIDTH = 860;
const HEIGHT = 480;
const FRAME = { left: 70, right: 220, top: 40, bottom: 50 } as const;
/** Colours that are told apart by those who do not see all of them (Okabe and Ito 2008), then the same as dashes, then as dots. */
const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"] as const;
const DASHES = ["", ' stroke-dasharray="6 4"', ' stroke-dasharray="2 3"'] as const;

/** An SVG plot of the latency of reads (the 99th percentile, on a logarithmic scale) against streams, a line for each policy of the first load. */
export function storagePlot(bench: StorageBench): string {
  const load = bench.runs[0]?.load ?? "";
  const runs = bench.runs.filter((run) => run.load === load);
  const policies = [...new Set(runs.map(({ policy }) => policy))];
  const streams = [...new Set(runs.map(({ streamCount }) => streamCount))].toSorted((a, b) => a - b);
  const latencies = runs.map(({ reads }) => Math.max(reads.p99, 0.1));
  const low = Math.floor(Math.log10(Math.min(...latencies)));
  const high = Math.ceil(Math.log10(Math.max(...latencies)) + 1e-9);
  const [first, last] = [streams[0] ?? 0, streams.at(-1) ?? 0];
  const x = (count: number) =>
    FRAME.left + (last === first ? 0.5 : (count - first) / (last - first)) * (WIDTH - FRAME.left - FRAME.right);
  const y = (milliseconds: number) =>
    FRAME.top +
    ((high - Math.log10(Math.max(milliseconds, 0.1))) / Math.max(1, high - low)) * (HEIGHT - FRAME.top - FRAME.bottom);

  const pace = bench.utilisation === null ? `at depth ${bench.depth}` : `at ${bench.utilisation} % utilisation`;
  const rows = Array.from({ length: high - low + 1 }, (_, step) => 10 ** (low + step));
  const grid = rows.map(
    (row) =>
      `<line x1="${FRAME.left}" x2="${WIDTH - FRAME.right}" y1="${y(row).toFixed(1)}" y2="${y(row).toFixed(1)}" stroke="#ddd"/>` +
      `<text x="${FRAME.left - 8}" y="${(y(row) + 4).toFixed(1)}" text-anchor="end">${row}</text>`,
  );
  const ticks = streams.map(
    (count) =>
      `<text x="${x(count).toFixed(1)}" y="${HEIGHT - FRAME.bottom + 20}" text-anchor="middle">${count}</text>`,
  );
  const lines = policies.flatMap((policy, index) => {
    const colour = COLOURS[index % COLOURS.length]!;
    const dash = DASHES[Math.floor(index / COLOURS.length) % DASHES.length]!;
    const points = runs
      .filter((run) => run.policy === policy)
      .toSorted((a, b) => a.streamCount - b.streamCount)
      .map((run) => ({ at: `${x(run.streamCount).toFixed(1)},${y(run.reads.p99).toFixed(1)}`, run }));
    const legend = FRAME.top + 14 + index * 24;
    return [
      `<polyline fill="none" stroke="${colour}" stroke-width="${index === 0 ? 3 : 1.5}"${dash} points="${points.map(({ at }) => at).join(" ")}"/>`,
      ...points.map(({ at, run }) => {
        const [cx, cy] = at.split(",");
        const missed = run.streams.missed > 0;
        return `<circle cx="${cx}" cy="${cy}" r="4" fill="${missed ? "white" : colour}" stroke="${colour}"><title>${escaped(policy)}, ${run.streamCount} streams: ${run.reads.p99.toFixed(1)} ms, ${run.streams.missed} of ${run.streams.periods} deadlines missed</title></circle>`;
      }),
      `<line x1="${WIDTH - FRAME.right + 20}" x2="${WIDTH - FRAME.right + 48}" y1="${legend}" y2="${legend}" stroke="${colour}" stroke-width="${index === 0 ? 3 : 1.5}"${dash}/>`,
      `<text x="${WIDTH - FRAME.right + 56}" y="${legend + 4}">${escaped(policy)}</text>`,
    ];
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT}" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="white"/>`,
    `<text x="${FRAME.left}" y="22" font-size="14">Latency of reads (99 %, ms) against streams: ${escaped(bench.disk)}, load ${escaped(load)} ${pace}</text>`,
    ...grid,
    ...ticks,
    `<text x="${(FRAME.left + WIDTH - FRAME.right) / 2}" y="${HEIGHT - 10}" text-anchor="middle">streams; a hollow point missed deadlines</text>`,
    ...lines,
    "</svg>",
    "",
  ].join("\n");
}

const escaped = (text: string): string => text.replace(/[&<>"]/g, (mark) => `&#${mark.charCodeAt(0)};`);
