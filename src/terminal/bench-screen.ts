import type { PagingFigure } from "../bench/index.ts";
import { bold, dim, size } from "./style.ts";

const HEAD = ["engine", "set", "pages", "raw", "one by one", "to raw", "in runs", "to raw", "write/read"];
const WIDTHS = [8, 9, 7, 8, 10, 8, 8, 8, 11];
const TEXT_COLUMNS = 3;

const cell = (text: string, column: number): string =>
  column < TEXT_COLUMNS ? text.padEnd(WIDTHS[column] ?? 0) : text.padStart(WIDTHS[column] ?? 0);

const row = (cells: readonly string[]): string => cells.map(cell).join(" ");

/** The table's head; times are nanoseconds for 8 bytes. */
export const benchHead = (): string => `\n  ${dim(row(HEAD))}`;

/** One engine on one set. */
export function benchLine(figure: PagingFigure): string {
  const time = (nanoseconds: number): string => `${nanoseconds.toFixed(2)} ns`;
  const ratio = (times: number): string => `${times.toFixed(2)}x`;
  const cells = [
    ...[figure.engine, size(figure.bytes), figure.pages, time(figure.rawRead)],
    ...[time(figure.read), ratio(figure.readRatio), time(figure.readInRuns), ratio(figure.readInRunsRatio)],
    ratio(figure.writeToRead),
  ].map(cell);
  return `  ${cells.map((text, column) => (HEAD[column] === "to raw" ? bold(text) : text)).join(" ")}`;
}
