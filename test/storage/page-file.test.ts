import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PageFile, type PageTransfer, readBlockTrace } from "../../src/storage/index.ts";
import { sharedData, withPeers } from "../peers.ts";

const together = (transfers: readonly PageTransfer[]) =>
  transfers.map(({ pages, write }) => `${write ? "w" : "r"}${pages}`);

describe("a page file", () => {
  it("writes the pages of a burst as one cluster, and reads them as one when any of them is wanted again", () => {
    const file = new PageFile(100);
    for (const page of [7, 3, 90]) expect(file.pageOut(page, 0)).toEqual([]);
    expect(together(file.pageIn(1, 10_000))).toEqual(["w3"]);
    expect(file.rest()).toHaveLength(1);
    expect(together(file.pageIn(3, 20_000))).toEqual(["r3"]);
    expect(file.pageIn(90, 20_001)).toEqual([]);
    expect(file.pageIn(7, 20_002)).toEqual([]);
  });

  it("leaves pages where they are that lie together already", () => {
    const file = new PageFile(100);
    for (const page of [1, 2, 3]) file.pageOut(page, 0);
    file.rest();
    for (let burst = 1; burst < 5; burst++) {
      expect(together(file.pageIn(2, burst * 10_000))).toEqual(["r3"]);
      expect(file.pageIn(3, burst * 10_000 + 1)).toEqual([]);
    }
  });

  it("writes a page again that was changed", () => {
    const file = new PageFile(100);
    for (const page of [1, 2]) file.pageOut(page, 0);
    file.rest();
    file.pageIn(1, 10_000);
    file.pageOut(1, 10_001);
    expect(together(file.rest())).toEqual(["w1"]);
  });

  it("has every page in one place, none in two, and reads what it wrote, whatever comes, full or not", () => {
    const step = fc.record({
      page: fc.integer({ min: 0, max: 30 }),
      isOut: fc.boolean(),
      pause: fc.constantFrom(1, 10_000),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), fc.integer({ min: 4, max: 60 }), (steps, size) => {
        const file = new PageFile(size);
        let now = 0;
        const places = () =>
          Array.from({ length: 31 }, (_, page) => file.placeOf(page)).filter((place) => place !== undefined);
        for (const { page, isOut, pause } of steps) {
          now += pause;
          const known = file.placeOf(page);
          const transfers = isOut ? file.pageOut(page, now) : file.pageIn(page, now);
          for (const { first, pages } of transfers) expect(first + pages).toBeLessThanOrEqual(size);
          const read = transfers.find(({ write }) => !write);
          if (read !== undefined && file.placeOf(page) === known) {
            expect(known).toBeGreaterThanOrEqual(read.first);
            expect(known).toBeLessThan(read.first + read.pages);
          }
          expect(new Set(places()).size).toBe(places().length);
          for (const place of places()) expect(place).toBeLessThan(size);
        }
      }),
    );
  });

  withPeers({ data: "traces/disksim-valid/ajw.1week.srt" }).it(
    "needs at most a quarter of the seeks for a week's paging of a real workstation",
    () => {
      const swap = readBlockTrace(sharedData("traces/disksim-valid/ajw.1week.srt")).requests.filter(
        ({ isSwap }) => isSwap,
      );
      // As they were asked for, each begins where no other ended. A page of HP-UX is 2 KiB.
      const file = new PageFile(200_000);
      const transfers = swap.flatMap(({ arrival, sector, sectors, write, device }) =>
        Array.from(
          { length: Math.ceil(sectors / 4) },
          (_, page) => device * 2 ** 24 + Math.floor(sector / 4) + page,
        ).flatMap((page) => {
          // What was paged out before the trace began is where it was: the first to want it reads it there.
          const isElsewhere = !write && file.placeOf(page) === undefined;
          const own = write ? file.pageOut(page, arrival) : file.pageIn(page, arrival);
          return isElsewhere ? [...own, { first: -page, pages: 1, write: false }] : own;
        }),
      );
      transfers.push(...file.rest());
      let seeks = 0;
      let at = Number.NaN;
      for (const { first, pages } of transfers) {
        // Old places are told by negative numbers, downwards.
        if (first !== at) seeks++;
        at = first < 0 ? first - 1 : first + pages;
      }
      expect(swap.length / seeks).toBeGreaterThanOrEqual(4);
    },
  );
});
