import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PAGE_SIZE } from "../../src/binary/index.ts";
import { NT_STATUS, TICKS_PER_SECOND } from "../../src/guest/index.ts";
import { DiskRetries } from "../../src/host/emulated/disk-retries.ts";
import { HostDisk } from "../../src/host/emulated/host-disk.ts";
import type { DeviceFault } from "../../src/storage/index.ts";
import { request } from "../storage/request.ts";

const TICKS_PER_MILLISECOND = TICKS_PER_SECOND / 1000;
const PAGES = 64;

/** A host's disk with one page file, and the clock of whoever uses it, in milliseconds. */
class Lab {
  readonly disk: HostDisk;
  readonly file;
  now = 0;

  constructor(faults: readonly DeviceFault[]) {
    this.disk = new HostDisk({ faults, streams: 0, seed: 1, usedSectors: PAGES * 8 });
    this.file = this.disk.pageFile(
      0,
      PAGES,
      () => this.now * TICKS_PER_MILLISECOND,
      (at, action) => {
        expect(at / TICKS_PER_MILLISECOND).toBeCloseTo(this.now, 6);
        action();
      },
    );
  }

  step(): void {
    this.now = Math.max(this.now, this.disk.next / TICKS_PER_MILLISECOND);
    this.disk.step();
  }

  /** Lets the disk do all that it was asked for. */
  finish(): void {
    while (this.disk.next < Number.POSITIVE_INFINITY) this.step();
  }

  write(page: number, byte: number): { status: number; took: number } {
    return this.#ended((done) => this.file.write(page, new Uint8Array(PAGE_SIZE).fill(byte), done));
  }

  read(page: number): { status: number; took: number; bytes: Uint8Array } {
    return this.#ended((done) => this.file.read(page, done));
  }

  #ended(ask: (done: (status: number, bytes: Uint8Array) => void) => void) {
    const from = this.now;
    const result = { status: -1, took: 0, bytes: new Uint8Array() };
    ask((status, bytes) => Object.assign(result, { status, bytes, took: this.now - from }));
    this.finish();
    return result;
  }
}

const timeout: DeviceFault = { kind: "timeout", from: 0, after: 10_000 };
const reset: DeviceFault = { kind: "reset", from: 0 };
const tornWrite: DeviceFault = { kind: "torn-write", from: 0 };
const times = (count: number, fault: DeviceFault) => Array<DeviceFault>(count).fill(fault);
/** The first byte of each sector of a page. */
const sectorsOf = (bytes: Uint8Array) => Array.from({ length: 8 }, (_, sector) => bytes[sector * 512]);

describe("the host's disk tries again what its driver may", () => {
  it.each([
    ["a timeout, after a second", times(1, timeout), 11_000, { retries: 1, timeouts: 1, resets: 0 }],
    ["four timeouts", times(4, timeout), 44_000, { retries: 4, timeouts: 4, resets: 0 }],
    ["four resets, at once", times(4, reset), 20, { retries: 4, timeouts: 0, resets: 4 }],
    ["both", [reset, timeout, reset, timeout], 22_010, { retries: 4, timeouts: 2, resets: 2 }],
  ] as const)("%s", (_, faults, least, counters) => {
    const lab = new Lab(faults);
    const { status, took } = lab.read(3);
    expect(status).toBe(NT_STATUS.done);
    expect(took).toBeGreaterThanOrEqual(least);
    expect(took).toBeLessThan(least + 100);
    expect(lab.disk.counters()).toMatchObject({ ...counters, failures: 0 });
  });

  it.each([
    ["timed-out", times(5, timeout), 54_000],
    ["reset", times(5, reset), 25],
  ] as const)(
    "and fails with %s when the fifth try has failed too; the next request starts anew",
    (kind, faults, least) => {
      const lab = new Lab([...faults, ...faults.slice(1)]);
      const { status, took } = lab.read(3);
      expect(status).toBe(NT_STATUS[kind]);
      expect(took).toBeGreaterThanOrEqual(least);
      expect(took).toBeLessThan(least + 100);
      expect(lab.disk.counters()).toMatchObject({ retries: 4, failures: 1 });
      expect(lab.read(3).status).toBe(NT_STATUS.done);
      expect(lab.disk.counters()).toMatchObject({ retries: 8, failures: 1 });
    },
  );

  it.each([
    ["unreadable", { kind: "unreadable", from: 0, sector: 24, sectors: 1 }],
    ["gone", { kind: "dead", from: 0 }],
  ] as const)("but not what is %s", (kind, fault) => {
    const lab = new Lab([fault]);
    expect(lab.read(3).status).toBe(NT_STATUS[kind]);
    expect(lab.disk.counters()).toMatchObject({ retries: 0, failures: 1 });
  });

  it("and waits for a slow sector, and for no other", () => {
    const lab = new Lab([{ kind: "slow", from: 0, sector: 24, sectors: 8, delay: 7_000 }]);
    expect(lab.write(3, 1).took).toBeGreaterThan(7_000);
    expect(lab.read(3).took).toBeGreaterThan(7_000);
    expect(lab.read(4).took).toBeLessThan(100);
    expect(lab.disk.counters()).toMatchObject({ retries: 0, failures: 0 });
  });

  it("does what others want while it waits for the next try", () => {
    const lab = new Lab([timeout, { ...reset, from: 10_000 }]);
    const ended: [string, number][] = [];
    lab.file.read(3, () => ended.push(["timed out", lab.now]));
    lab.file.read(50, () => ended.push(["other", lab.now]));
    lab.finish();
    expect(ended.map(([which]) => which)).toEqual(["other", "timed out"]);
    expect(ended[0]![1]).toBeLessThan(10_500);
    expect(ended[1]![1]).toBeGreaterThan(11_000);
  });

  it("tries again before it does what has come since", () => {
    const lab = new Lab([reset]);
    const ended: number[] = [];
    lab.file.read(60, () => ended.push(60));
    for (const page of [1, 2, 3]) lab.file.read(page, () => ended.push(page));
    lab.finish();
    expect(ended[0]).toBe(60);
    expect(ended).toHaveLength(4);
  });
});

describe("a write that was torn", () => {
  it("is whole after the next try", () => {
    const lab = new Lab([{ ...tornWrite, from: 1000 }]);
    lab.write(3, 1);
    lab.now = 2000;
    expect(lab.write(3, 2).status).toBe(NT_STATUS.done);
    expect(sectorsOf(lab.read(3).bytes)).toEqual(Array(8).fill(2));
    expect(lab.disk.counters()).toMatchObject({ retries: 1, resets: 1, failures: 0 });
  });

  it("leaves the first sectors new and the rest old where no try comes through", () => {
    // The first try is torn, the others are not answered; or all are torn.
    const timeouts = times(4, { ...timeout, from: 2001 });
    for (const faults of [[{ ...tornWrite, from: 1000 }, ...timeouts], times(5, { ...tornWrite, from: 1000 })]) {
      const lab = new Lab(faults);
      lab.write(3, 1);
      lab.now = 2000;
      expect(lab.write(3, 2).status).not.toBe(NT_STATUS.done);
      expect(sectorsOf(lab.read(3).bytes)).toEqual([2, 2, 2, 2, 1, 1, 1, 1]);
      expect(lab.disk.counters()).toMatchObject({ retries: 4, failures: 1 });
    }
  });

  it("changes nothing that was read before", () => {
    const lab = new Lab([]);
    lab.write(3, 1);
    const { bytes } = lab.read(3);
    lab.write(3, 2);
    expect(sectorsOf(bytes)).toEqual(Array(8).fill(1));
  });
});

describe("requests that are one transfer", () => {
  /** Reads that come while the disk is at something else, so that they go together. */
  function readTogether(lab: Lab, pages: readonly number[]): Map<number, number> {
    const ended = new Map<number, number>();
    lab.file.read(60, () => {});
    for (const page of pages) lab.file.read(page, (status) => ended.set(page, status));
    lab.finish();
    return ended;
  }

  it("are not failed by a sector that only one of them wants", () => {
    const lab = new Lab([{ kind: "unreadable", from: 0, sector: 4 * 8 + 2, sectors: 1 }]);
    expect(readTogether(lab, [3, 4, 5, 6])).toEqual(
      new Map([3, 4, 5, 6].map((page) => [page, page === 4 ? NT_STATUS.unreadable : NT_STATUS.done])),
    );
    // One for each of those behind it: they did go together.
    expect(lab.disk.counters()).toMatchObject({ retries: 2, failures: 1 });
  });

  it("nor by one in a gap between them, which nobody wants", () => {
    const lab = new Lab([{ kind: "unreadable", from: 0, sector: 4 * 8, sectors: 1 }]);
    expect([...readTogether(lab, [3, 5]).values()]).toEqual([NT_STATUS.done, NT_STATUS.done]);
  });

  it("are each told of their own sectors", () => {
    const parts = [request(24), request(32), request(40)];
    const transfer = request(24, { sectors: 24, parts });
    const told = parts.map((part) =>
      new DiskRetries().ended(part, { request: transfer, at: 5, status: "gone", transferred: 11 }),
    );
    expect(told.map((one) => one?.transferred)).toEqual([8, 3, 0]);
  });

  it("are each tried again", () => {
    const lab = new Lab([reset, { ...reset, from: 10 }]);
    expect([...readTogether(lab, [3, 4, 5, 6]).values()]).toEqual(Array(4).fill(NT_STATUS.done));
  });
});

it("a stream that is not served has missed its deadline, however soon that is known", () => {
  const disk = new HostDisk({ faults: [{ kind: "dead", from: 0 }], streams: 2, seed: 1, usedSectors: 0 });
  for (let step = 0; step < 20; step++) disk.step();
  const { mediaPeriods, mediaMisses } = disk.counters();
  expect(mediaPeriods).toBeGreaterThan(5);
  expect(mediaMisses).toBe(mediaPeriods);
});

it("what is read is what was written last, whatever fails on the way, and nothing is asked for without an answer", () => {
  const moments = fc.integer({ min: 0, max: 20_000 });
  const fault: fc.Arbitrary<DeviceFault> = fc.oneof(
    fc.record({ kind: fc.constant("timeout" as const), from: moments, after: fc.constant(10_000) }),
    fc.record({ kind: fc.constantFrom("reset", "torn-write"), from: moments }),
    fc.record({
      kind: fc.constant("slow" as const),
      from: moments,
      sector: fc.integer({ min: 0, max: 100 }),
      sectors: fc.constant(16),
      delay: fc.constant(900),
    }),
    fc.record({
      kind: fc.constant("unreadable" as const),
      from: moments,
      sector: fc.integer({ min: 0, max: 100 }),
      sectors: fc.constant(1),
    }),
  );
  const step = fc.record({
    page: fc.integer({ min: 0, max: 12 }),
    what: fc.constantFrom("write", "write", "read", "read", "step", "wait"),
  });
  fc.assert(
    fc.property(fc.array(fault, { maxLength: 12 }), fc.array(step, { maxLength: 60 }), (faults, steps) => {
      const lab = new Lab(faults);
      /** Of each page, what each sector may hold: what was written last, or, where that write failed, that or what was there. */
      const held = new Map<number, readonly number[]>();
      const busy = new Set<number>();
      let asked = 0;
      let answered = 0;
      steps.forEach(({ page, what }, index) => {
        if (what === "step" && lab.disk.next < Number.POSITIVE_INFINITY) lab.step();
        if (what === "wait") lab.now = Math.min(lab.now + 500, lab.disk.next / TICKS_PER_MILLISECOND);
        if ((what !== "write" && what !== "read") || busy.has(page)) return;
        busy.add(page);
        asked++;
        const before = held.get(page) ?? [0];
        const byte = index + 1;
        const done = (status: number, bytes: Uint8Array) => {
          answered++;
          busy.delete(page);
          if (what === "write") held.set(page, status === NT_STATUS.done ? [byte] : [...before, byte]);
          else if (status === NT_STATUS.done)
            for (const one of bytes) if (!before.includes(one)) expect.fail(`page ${page} holds ${one}`);
        };
        if (what === "write") lab.file.write(page, new Uint8Array(PAGE_SIZE).fill(byte), done);
        else lab.file.read(page, done);
      });
      lab.finish();
      expect(answered).toBe(asked);
    }),
    { numRuns: 300 },
  );
});
