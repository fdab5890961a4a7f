import type { PagingFigure } from "../bench/index.ts";
import { bold, dim, size } from "./style.ts";

const HEAD = ["engine", "set", "pages", "raw", "read", "write", "read/raw", "write/read"];
const WIDTHS = [8, 9, 7, 8, 8, 8, 9, 11];

const row = (cells: readonly string[]): string =>
  cells
    .map((cell, index) => (index < 3 ? cell.padEnd(WIDTHS[index] ?? 0) : cell.padStart(WIDTHS[index] ?? 0)))
    .join(" ");

/** The table's head; times are nanoseconds for 8 bytes. */
export const benchHead = (): string => `\n  ${dim(row(HEAD))}`;

/** One engine on one set. */
export function benchLine({ engine, bytes, pages, raw, read, write, readRatio, writeToRead }: PagingFigure): string {
  const times = [raw, read, write].map((time) => `${time.toFixed(2)} ns`);
  return `  ${row([engine, size(bytes), pages, ...times, `${readRatio.toFixed(2)}x`, `${writeToRead.toFixed(2)}x`])}`.replace(
    `${readRatio.toFixed(2)}x`,
    bold(`${readRatio.toFixed(2)}x`),
  );
}
