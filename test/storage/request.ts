import type { BlockRequest } from "../../src/storage/index.ts";

let requests = 0;

/** A read of 4 KiB that nobody is in a hurry for, but for what is said. */
export const request = (sector: number, change: Partial<BlockRequest> = {}): BlockRequest => ({
  id: ++requests,
  sector,
  sectors: 8,
  write: false,
  arrival: 0,
  owner: 0,
  class: "normal",
  deadline: Number.POSITIVE_INFINITY,
  ...change,
});
