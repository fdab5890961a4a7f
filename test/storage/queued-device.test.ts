import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MQSIM_QUEUED, type QueuedRequest, readBlockTrace, runQueued } from "../../src/storage/index.ts";
import { EventQueue } from "../../src/storage/solid-state/queued/event-queue.ts";
import { sharedData, withPeers } from "../peers.ts";

const PAGE = 16;
const { read, program, command, dataOutSetup, channelRate, host, bufferLatency, bufferRate } = MQSIM_QUEUED;
const sent = (sectors: number) => (sectors * 512) / channelRate;
const sensed = (sectors: number) => command + read + dataOutSetup + sent(sectors);
const buffered = (sectors: number) => bufferLatency + (sectors * 512) / bufferRate;

const page = (number: number, arrival: number, write = false): QueuedRequest => ({
  ...{ arrival, sector: number * PAGE, sectors: PAGE, write },
});

/** What a run of these comes to after the entries of the mapping for all of their pages have been fetched by reads. */
function warm(pages: readonly number[], requests: (start: number) => QueuedRequest[]) {
  const fetches = pages.map((number, index) => page(number, index));
  const all = runQueued(MQSIM_QUEUED, [...fetches, ...requests(pages.length + 100)]);
  const before = runQueued(MQSIM_QUEUED, fetches);
  const sum = all.mean * all.requests - before.mean * before.requests;
  return { ...all, sum, fetches: before.mappingReads };
}

describe("a device with queues", () => {
  it("reads the mapping before a page that it sees first, and not again", () => {
    const first = runQueued(MQSIM_QUEUED, [page(5, 0)]);
    expect(first.mean).toBeCloseTo(host + sensed(1) + sensed(PAGE), 6);
    expect(first.mappingReads).toBe(1);
    const { sum, mappingReads } = warm([5], (start) => [page(5, start)]);
    expect(sum).toBeCloseTo(host + sensed(PAGE), 6);
    expect(mappingReads).toBe(1);
  });

  it("fetches a page of the mapping once for all who wait for it, and again for an entry nobody waited for", () => {
    expect(runQueued(MQSIM_QUEUED, [page(0, 0), page(1, 0), page(2, 0.01)]).mappingReads).toBe(1);
    expect(runQueued(MQSIM_QUEUED, [page(0, 0), page(1, 10)]).mappingReads).toBe(2);
    expect(runQueued(MQSIM_QUEUED, [page(0, 0), page(1365, 0)]).mappingReads).toBe(2);
  });

  it("reads side by side on other channels, one after the other on a chip, and sends one after the other on a channel", () => {
    const at = (numbers: readonly number[]) => warm(numbers, (start) => numbers.map((number) => page(number, start)));
    // Neighbours lie on channels side by side.
    expect(at([0, 1]).longest).toBeCloseTo(at([0]).longest, 6);
    const alone = host + sensed(PAGE);
    // 8 pages on is the next chip of the same channel: the commands follow one another, and so does what is sent.
    expect(at([0, 8]).sum).toBeCloseTo(2 * alone + sent(PAGE) + dataOutSetup, 6);
    // 128 pages on is the same plane: the second waits until the first is sent.
    expect(at([0, 128]).sum).toBeCloseTo(2 * alone + sensed(PAGE), 6);
  });

  it("reads from both planes of a die at once, where both have the same page to do", () => {
    // Pages 0 and 64 are the first of their planes, 256 is the second of one: while that is read, the others come together.
    const { sum } = warm([0, 64, 256], (start) => [page(256, start), page(0, start), page(64, start)]);
    const alone = host + sensed(PAGE);
    expect(sum).toBeCloseTo(3 * alone + 2 * sensed(PAGE) + dataOutSetup + sent(PAGE), 6);
    // Pages 0 and 192 have not the same number: 64 came first in the plane of the latter.
    const apart = warm([0, 64, 256, 192], (start) => [page(256, start), page(0, start), page(192, start)]);
    expect(apart.sum).toBeCloseTo(3 * alone + 3 * sensed(PAGE), 6);
  });

  it("answers a write when it is in the buffer, and reads from there what is not programmed yet", () => {
    const { sum } = warm([0], (start) => [page(0, start, true)]);
    expect(sum).toBeCloseTo(host + buffered(PAGE), 6);
    const soon = warm([0], (start) => [page(0, start, true), page(0, start + 0.1)]);
    expect(soon.sum).toBeCloseTo(2 * (host + buffered(PAGE)), 6);
    const late = warm([0], (start) => [page(0, start, true), page(0, start + 2)]);
    expect(late.sum).toBeCloseTo(2 * host + buffered(PAGE) + sensed(PAGE), 6);
  });

  it("does not read on a chip that programs, and reads before it programs the next page", () => {
    // Three writes to one plane, and while the first is programmed a read of another page of it.
    const numbers = [0, 128, 256, 384];
    const { sum } = warm(numbers, (start) => [
      ...[0, 128, 256].map((number) => page(number, start, true)),
      page(384, start + 0.3),
    ]);
    const writes = 3 * host + (1 + 2 + 3) * buffered(PAGE);
    expect(sum).toBeCloseTo(writes + host + command + sent(PAGE) + program - 300 + sensed(PAGE), 6);
  });

  it("takes no more in than may be on its way to the flash", () => {
    // All to one chip, which programs two of them at most in a millisecond.
    const pages = Array.from({ length: 200 }, (_, number) => number * 128);
    const writes = (count: number) => warm(pages, (start) => pages.slice(0, count).map((at) => page(at, start, true)));
    expect(writes(128).sum).toBeCloseTo(128 * host + ((128 * 129) / 2) * buffered(PAGE), 3);
    const all = writes(200);
    // What is programmed while the first come in makes room for some more; the others wait for a program each.
    expect(all.longest).toBeGreaterThan((200 - 128 - 10) * program);
    expect(all.longest).toBeLessThan(200 * (program + command + sent(PAGE)));
  });

  it("keeps a page that was just written in the buffer when it is written again", () => {
    const again = Array.from({ length: 50 }, (_, number) => number);
    // Each would be programmed for 750 us, and the read at the end would wait for all of them.
    const { sum } = warm([0, 128], (start) => [
      ...again.map((number) => page(0, start + 10 * number, true)),
      page(128, start + 491),
    ]);
    expect(sum).toBeCloseTo(50 * (host + buffered(PAGE)) + host + sensed(PAGE), 6);
  });

  it("refuses a run that touches more pages than its mapping's cache holds", () => {
    const device = { ...MQSIM_QUEUED, mappingCacheEntries: 3 };
    expect(
      runQueued(
        device,
        [0, 1, 2].map((number) => page(number, 0)),
      ).requests,
    ).toBe(3);
    expect(() =>
      runQueued(
        device,
        [0, 1, 2, 3].map((number) => page(number, 0)),
      ),
    ).toThrow(/more than 3 pages/);
  });

  it("lets events happen in order of time, and of their coming where that is the same", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 60 }), (times) => {
        const events = new EventQueue();
        const seen: number[] = [];
        for (const [index, time] of times.entries())
          events.at(time, () => {
            expect(events.now).toBe(time);
            seen.push(index);
          });
        events.run();
        const order = times.map((time, index) => ({ time, index })).sort((a, b) => a.time - b.time);
        expect(seen).toEqual(order.map(({ index }) => index));
      }),
    );
  });

  // What MQSim says of its own traces, built and run with its default device and a write cache: mean in microseconds, pages of the mapping read.
  withPeers({ data: "traces/INDEX.md" }).it.each([
    ["tpcc-small", 6999, 3458, 6921],
    ["wsrch-small", 24_783, 181, 24_602],
  ] as const)("answers as MQSim does, within a tenth: %s", (name, requests, mean, mappingReads) => {
    const figures = runQueued(MQSIM_QUEUED, readBlockTrace(sharedData(`traces/mqsim/${name}.trace`)).requests);
    expect(figures.requests).toBe(requests);
    expect(Math.abs(figures.mean / mean - 1)).toBeLessThan(0.1);
    expect(Math.abs(figures.mappingReads - mappingReads)).toBeLessThan(5);
  });
});
