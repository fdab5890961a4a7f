import { StopcodeError } from "../../binary/index.ts";

/** Measured points of a seek curve: distances in cylinders, ascending, and milliseconds. */
export interface SeekPoints {
  readonly distances: readonly number[];
  readonly times: readonly number[];
}

/** How long the arm takes over a distance: measured points, or the two-part law of Ruemmler and Wilkes (IEEE Computer, March 1994). */
export type SeekLaw =
  | { readonly kind: "measured"; readonly points: SeekPoints }
  | {
      readonly kind: "two-part";
      /** Distances from this one on follow the line. */
      readonly division: number;
      readonly root: readonly [constant: number, factor: number];
      readonly line: readonly [constant: number, factor: number];
      /** Times of the first distances, where curves are choppy. May be empty. */
      readonly first: readonly number[];
    }
  | { readonly kind: "constant"; readonly time: number };

/** Milliseconds for each distance from 0 to `cylinders - 1`: looked up, since schedulers ask for it at every choice. */
export function seekTable(law: SeekLaw, cylinders: number): Float64Array {
  const table = new Float64Array(cylinders);
  for (let distance = 1; distance < cylinders; distance++) table[distance] = seekTime(law, distance);
  return table;
}

export function seekTime(law: SeekLaw, distance: number): number {
  switch (law.kind) {
    case "constant":
      return law.time;
    case "two-part":
      if (distance <= law.first.length) return law.first[distance - 1]!;
      return distance < law.division
        ? law.root[0] + law.root[1] * Math.sqrt(distance)
        : law.line[0] + law.line[1] * distance;
    case "measured":
      return interpolated(law.points, distance);
  }
}

/** On the straight line between the neighbouring points; beyond the last point, on that of the last two. */
function interpolated({ distances, times }: SeekPoints, distance: number): number {
  let right = distances.findIndex((measured) => measured >= distance);
  if (right === -1) right = distances.length - 1;
  if (right === 0) return times[0]!;
  const share = (distance - distances[right - 1]!) / (distances[right]! - distances[right - 1]!);
  return times[right - 1]! + share * (times[right]! - times[right - 1]!);
}

/**
 * Reads DiskSim's seek curve file: a line that says how many, then lines `cylinders, milliseconds`.
 * Throws `disk/syntax` where a line is none or distances do not ascend.
 */
export function parseSeekCurve(text: string, file: string): SeekPoints {
  const distances: number[] = [];
  const times: number[] = [];
  for (const [index, line] of text.split("\n").entries()) {
    if (line.trim() === "" || line.startsWith("Seek distances measured")) continue;
    const [distance, time, ...rest] = line
      .split(/[\s,]+/)
      .filter((part) => part !== "")
      .map(Number);
    const isPoint = rest.length === 0 && distance! > (distances.at(-1) ?? 0) && time! >= 0;
    if (!isPoint)
      throw new StopcodeError("disk/syntax", `"${line.trim()}" is no point of a seek curve`, {
        where: { file, line: index + 1, column: 1 },
        hint: "a point is a distance in cylinders, larger than the one before, and milliseconds",
      });
    distances.push(distance!);
    times.push(time!);
  }
  if (distances.length === 0)
    throw new StopcodeError("disk/syntax", "the seek curve has no points", {
      where: { file },
      hint: "lines `cylinders, milliseconds`",
    });
  return { distances, times };
}
