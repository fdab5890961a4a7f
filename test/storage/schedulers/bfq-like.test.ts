import { describe, expect, it } from "vitest";
import { BfqLike, type BlockRequest, calibrationDisk, HardDisk } from "../../../src/storage/index.ts";
import { request } from "../request.ts";

const scheduler = () => new BfqLike(new HardDisk(calibrationDisk()));

/** Owners that always have requests of 256 sectors, each in a time of its own; who is served, one by one. */
function turns(streams: readonly boolean[], count: number, milliseconds: number): number[] {
  const bfq = scheduler();
  const next = (owner: number) =>
    request(owner * 1_000_000, { owner, sectors: 256, ...(streams[owner] ? { deadline: 1e9 } : {}) });
  for (let waiting = 0; waiting < 2; waiting++) for (const owner of streams.keys()) bfq.add(next(owner));
  return Array.from({ length: count }, (_, at) => {
    const { owner } = bfq.take(at * milliseconds)!;
    bfq.add(next(owner));
    return owner;
  });
}

/** How often the same is served in a row, and who. */
const rows = (owners: readonly number[]) => {
  const found: [owner: number, times: number][] = [];
  for (const owner of owners)
    if (found.at(-1)?.[0] === owner) found.at(-1)![1]++;
    else found.push([owner, 1]);
  return found;
};

describe("what is like BFQ", () => {
  it("gives owners of one weight turns of a budget of 4096 sectors", () => {
    expect(rows(turns([false, false, false], 96, 1))).toEqual([0, 1, 2, 0, 1, 2].map((owner) => [owner, 16]));
  });

  it("ends a turn after 125 ms, whatever is left of its budget", () => {
    // Served from 0, 60 and 120 on; at 180 the turn is over.
    expect(rows(turns([false, false], 12, 60))).toEqual([0, 1, 0, 1].map((owner) => [owner, 3]));
  });

  it("gives streams thirty times as much as others where both always have requests", () => {
    const owners = turns([true, false, true], 61 * 16 * 5, 1);
    const share = (owner: number) => owners.filter((one) => one === owner).length / owners.length;
    expect(share(0)).toBeCloseTo(30 / 61, 2);
    expect(share(1)).toBeCloseTo(1 / 61, 2);
    expect(share(2)).toBeCloseTo(30 / 61, 2);
  });

  it("interleaves turns: a stream beside thirty others does not take its thirty in a row", () => {
    const streams = [true, ...Array<boolean>(30).fill(false)];
    const owners = turns(streams, 16 * 20, 1);
    for (let from = 0; from < owners.length; from += 16 * 4) {
      const own = owners.slice(from, from + 16 * 4).filter((owner) => owner === 0).length / 16;
      expect(own, `turns of four from ${from / 16} on`).toBeGreaterThanOrEqual(1);
      expect(own, `turns of four from ${from / 16} on`).toBeLessThanOrEqual(3);
    }
  });

  it("owes nothing to who had nothing to ask for, and takes who comes in by turns at once", () => {
    const bfq = scheduler();
    const ask = (owner: number, count: number) => {
      for (let left = count; left > 0; left--) bfq.add(request(owner * 1_000_000, { owner, sectors: 256 }));
    };
    const serve = (count: number) => rows(Array.from({ length: count }, (_, at) => bfq.take(at / 1000)!.owner));
    for (const owner of [1, 2]) ask(owner, 20 * 16);
    serve(20 * 16);
    ask(3, 5 * 16);
    // Both others have had ten turns. The third has its first within three turns, and then every third.
    const third = serve(12 * 16).flatMap(([owner], at) => (owner === 3 ? [at] : []));
    expect(third).toHaveLength(4);
    expect(third[0]).toBeLessThanOrEqual(2);
  });

  it("lets a stream that has just come go at the next turn, though another was there before", () => {
    const bfq = scheduler();
    for (let at = 0; at < 40; at++) bfq.add(request(at * 1000, { owner: 1, sectors: 256 }));
    const order: number[] = [];
    for (let at = 0; at < 40; at++) {
      if (at === 20) bfq.add(request(5_000_000, { owner: 0, deadline: 1e9 }));
      order.push(bfq.take(at)!.owner);
    }
    // The second turn of 16 has begun when it comes.
    expect(order.indexOf(0)).toBe(32);
  });

  it("serves a turn in order of sectors, from where its owner was last", () => {
    const bfq = scheduler();
    const own = (sector: number) => bfq.add(request(sector, { owner: 1 }));
    const take = (now: number): BlockRequest => bfq.take(now)!;
    for (const sector of [900, 300, 500]) own(sector);
    expect(take(0).sector).toBe(300);
    bfq.add(request(0, { owner: 2 }));
    expect(take(125).sector).toBe(0);
    own(200);
    expect([take(250), take(251), take(252)].map(({ sector }) => sector)).toEqual([500, 900, 200]);
  });
});
