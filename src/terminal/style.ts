import { stripVTControlCharacters, styleText } from "node:util";

type Colour = Parameters<typeof styleText>[0];

const paint = (format: Colour) => (text: string) => styleText(format, text, { stream: process.stdout });

export const bold = paint("bold");
export const dim = paint("dim");
export const red = paint("red");
export const green = paint("green");
export const yellow = paint("yellow");
export const cyan = paint("cyan");

/** 32768 as `32,768`. */
export const count = (value: number): string => value.toLocaleString("en-US");

/** `1 page`, `2,114 pages`. */
export const counted = (value: number, noun: string, plural = `${noun}s`): string =>
  `${count(value)} ${value === 1 ? noun : plural}`;

const UNITS = ["bytes", "KiB", "MiB", "GiB", "TiB"] as const;

/** Bytes in the unit people would say: `104.9 MiB`. */
export function size(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return unit === 0
    ? `${count(bytes)} bytes`
    : `${value < 10 ? value.toFixed(1) : count(Math.round(value))} ${UNITS[unit]}`;
}

/** Seconds as `41.2 s`, `3 min 20 s`, `2 h 5 min`. */
export function duration(seconds: number): string {
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(1) : seconds.toFixed(seconds < 20 ? 1 : 0)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.floor(seconds % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** Length as the eye sees it: colour codes take no room. */
const visibleLength = (text: string): number => stripVTControlCharacters(text).length;

/** Text from a dump or a guest, safe to print: control characters could move the cursor or retitle the terminal. */
export const printable = (text: string): string => text.replace(/(?![\n\t])\p{Cc}/gu, "·");

/** Rows as aligned columns, two spaces apart; the last column is not padded. Names in `right` columns align right. */
export function columns(rows: readonly (readonly string[])[], right: readonly number[] = []): string[] {
  const widths: number[] = [];
  for (const row of rows)
    row.forEach((cell, index) => {
      widths[index] = Math.max(widths[index] ?? 0, visibleLength(cell));
    });
  return rows.map((row) =>
    row
      .map((cell, index) => {
        const gap = " ".repeat((widths[index] ?? 0) - visibleLength(cell));
        if (right.includes(index)) return gap + cell;
        return index === row.length - 1 ? cell : cell + gap;
      })
      .join("  ")
      .trimEnd(),
  );
}

/** Breaks text at spaces so that no line is longer than `width`; `indent` begins every line but the first. */
export function wrap(text: string, width: number, indent = ""): string {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(/\s+/)) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  lines.push(line);
  return lines.join(`\n${indent}`);
}
