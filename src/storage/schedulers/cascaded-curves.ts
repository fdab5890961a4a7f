import type { PositionedDevice } from "../device.ts";
import { REQUEST_CLASSES } from "../request.ts";
import { CostBased, sweep } from "./cost-based.ts";
import type { Queued } from "./queued.ts";

/** Cells of the grid of class and time left, each way: a power of two that has room for all classes. */
const GRID = 8;
/** Milliseconds to a deadline that the grid is divided into; what has more lies in its last cell. */
const SPAN = 500;
/** Milliseconds after its arrival at which a request without a deadline counts as due: those of mq-deadline. */
const DUE = { read: 500, write: 5000 } as const;
/**
 * Sweeps over the disk into which the first curve is cut: one is C-SCAN, one for every cell is urgency alone. Of 1, 2, 4, 8, 16 and 64, two
 * have the most requests a second without a miss on the calibration load.
 */
const PARTITIONS = 2;

/**
 * Like Cascaded-SFC (Mokbel, Aref, Elbassioni and Kamel, ICDE 2004): a first space-filling curve makes one number of class and deadline, a second
 * one of that number and the cylinder, and the least goes. Here the first is the diagonal, which prefers neither, and the
 * second C-SCAN in partitions of the first's numbers. The original maps a request once, when it comes; here it ages where it waits.
 */
export function cascadedCurves(device: PositionedDevice): CostBased {
  return new CostBased("Cascaded-SFC-like", device, (item, at) => {
    const urgency = diagonal(GRID, REQUEST_CLASSES.indexOf(item.request.class), timeCell(item, at));
    const partition = Math.floor((urgency * PARTITIONS) / GRID ** 2);
    // Of those on one cylinder, the most urgent.
    return partition * device.cylinders + sweep(item, at, device) + urgency / GRID ** 2;
  });
}

function timeCell({ deadline, arrival, request }: Queued, at: number): number {
  const due = deadline === Number.POSITIVE_INFINITY ? arrival + (request.write ? DUE.write : DUE.read) : deadline;
  return Math.max(0, Math.min(GRID - 1, Math.floor(((due - at) * GRID) / SPAN)));
}

/**
 * The place of a cell of a square grid on the diagonal curve, which begins in the corner (0, 0) and goes along one diagonal after the other, there
 * and back by turns; from 0 to size² - 1.
 */
export function diagonal(size: number, column: number, row: number): number {
  const number = column + row;
  // Behind the longest diagonal the curve is the same, seen from its end.
  if (number >= size) return size ** 2 - 1 - diagonal(size, size - 1 - column, size - 1 - row);
  return (number * (number + 1)) / 2 + (number % 2 === 0 ? column : row);
}
