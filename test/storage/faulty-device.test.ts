import { describe, expect, it } from "vitest";
import {
  type BlockRequest,
  type Completion,
  calibrationDisk,
  type DeviceFault,
  FaultyDevice,
  HardDisk,
} from "../../src/storage/index.ts";
import { request } from "./request.ts";

/** The next completion, which comes when the device says so. */
function nextOf(device: FaultyDevice): Completion {
  for (;;) {
    const { next } = device;
    const completion = device.complete();
    if (completion === null) expect(device.next).toBeGreaterThan(next);
    else {
      expect(completion.at).toBe(next);
      return completion;
    }
  }
}

function serve(faults: readonly DeviceFault[], requests: readonly BlockRequest[]) {
  const device = new FaultyDevice(new HardDisk(calibrationDisk()), faults);
  let now = 0;
  return requests.map((one) => {
    device.submit(one, now);
    expect(device.pending).toBe(1);
    expect(device.next).toBeGreaterThan(now);
    const { at, status, transferred } = nextOf(device);
    expect(device.pending).toBe(0);
    const took = at - now;
    now = at;
    return { status, transferred, took };
  });
}

const statuses = (faults: readonly DeviceFault[], requests: readonly BlockRequest[]) =>
  serve(faults, requests).map(({ status }) => status);

describe("a device that fails on purpose", () => {
  it("is as the one below it where nothing is to fail", () => {
    const requests = [request(5), request(100_000, { write: true }), request(77)];
    const plain = new HardDisk(calibrationDisk());
    let now = 0;
    const expected = requests.map((one) => {
      plain.submit(one, now);
      const { at, status, transferred } = plain.complete();
      const took = at - now;
      now = at;
      return { status, transferred, took };
    });
    expect(serve([], requests)).toEqual(expected);
  });

  it("cannot read a sector after it has tried for long, reads all others, and can again when the sector was written", () => {
    const fault: DeviceFault = { kind: "unreadable", from: 0, sector: 100, sectors: 1 };
    const [bad, other, write, again] = serve(
      [fault],
      [request(96), request(101), request(96, { write: true }), request(96)],
    );
    expect(bad).toMatchObject({ status: "unreadable", transferred: 4 });
    expect(bad!.took).toBeGreaterThan(1000);
    expect([other, write, again].map((one) => one!.status)).toEqual(["done", "done", "done"]);
  });

  it("fails only from its moment on", () => {
    const places = [0, 30_000_000, 9, 60_000_000, 1, 40_000_000];
    const all = statuses(
      [{ kind: "dead", from: 40 }],
      places.map((place) => request(place)),
    );
    const first = all.indexOf("gone");
    expect(first).toBeGreaterThan(0);
    expect(all).toEqual(places.map((_, at) => (at < first ? "done" : "gone")));
  });

  it("takes longer for slow sectors, and loses nothing", () => {
    const [slow, plain] = serve(
      [{ kind: "slow", from: 0, sector: 0, sectors: 8, delay: 700 }],
      [request(0), request(8)],
    );
    expect(slow).toMatchObject({ status: "done", transferred: 8 });
    expect(slow!.took).toBeGreaterThan(700);
    expect(plain!.took).toBeLessThan(50);
  });

  it("tears one write, does not answer one request, loses one by a reset, and goes on", () => {
    expect(
      serve([{ kind: "torn-write", from: 0 }], [request(0), request(0, { write: true }), request(0, { write: true })]),
    ).toMatchObject([{ status: "done" }, { status: "reset", transferred: 4 }, { status: "done", transferred: 8 }]);
    const [lost, next] = serve([{ kind: "timeout", from: 0, after: 10_000 }], [request(0), request(0)]);
    expect(lost).toMatchObject({ status: "timed-out", transferred: 0, took: 10_000 });
    expect(next!.status).toBe("done");
    expect(statuses([{ kind: "reset", from: 0 }], [request(0), request(0)])).toEqual(["reset", "done"]);
  });
});
