import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Random } from "../../src/binary/index.ts";
import {
  addressableSlots,
  type BlockRequest,
  INTEL_P4500,
  Mapping,
  MQSIM_DEFAULT,
  SolidStateDevice,
  type SolidStateParameters,
  superblockSlots,
} from "../../src/storage/index.ts";
import { DATA_SHEETS, deviation } from "../conformance/storage/data-sheets.ts";
import { measureFigure } from "../conformance/storage/device-figure.ts";

const SMALL: SolidStateParameters = {
  ...MQSIM_DEFAULT,
  channels: 2,
  diesPerChannel: 1,
  planes: 1,
  pagesPerBlock: 4,
  blocksPerPlane: 8,
  spare: 0.4,
  writeBuffer: 16 * 4096,
  freeBlocks: 2,
};

/** Writes at random until the log has turned over several times; then the bytes programmed for each byte written. */
function amplificationOf(device: SolidStateParameters, turns: number): number {
  const mapping = new Mapping(device);
  mapping.fill();
  const random = new Random(3, "amplification");
  const nothing = () => {};
  for (let count = 0; count < turns * mapping.slots; count++)
    mapping.write(random.below(mapping.slots), nothing, nothing);
  const [written, moved] = [mapping.written, mapping.moved];
  for (let count = 0; count < mapping.slots; count++) mapping.write(random.below(mapping.slots), nothing, nothing);
  return (mapping.written - written + mapping.moved - moved) / (mapping.written - written);
}

/**
 * Amplification of uniform random writes when whole blocks are collected: 1 / (1 - u), u the share of a collected block that is
 * valid, which solves u = e^(-(1 - u) p), p physical by logical slots (Desnoyers, "Analytic Models of SSD Write Performance", 2014).
 */
function analyticAmplification(physicalByLogical: number): number {
  let valid = 0.5;
  for (let step = 0; step < 10_000; step++) valid = Math.exp(-(1 - valid) * physicalByLogical);
  return 1 / (1 - valid);
}

describe("the mapping of a solid-state device", () => {
  it("has every slot where it was written last, and no place twice, whatever is collected", () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: addressableSlots(SMALL) - 1 }), { maxLength: 400 }), (slots) => {
        const mapping = new Mapping(SMALL);
        const where = new Map<number, number>();
        for (const slot of slots) {
          const place = mapping.write(
            slot,
            (from, to) => {
              const moved = [...where].find(([, at]) => at === from)!;
              where.set(moved[0], to);
            },
            () => {},
          );
          where.set(slot, place);
        }
        for (const [slot, place] of where) expect(mapping.placeOf(slot)).toBe(place);
        expect(new Set(where.values()).size).toBe(where.size);
        expect(mapping.written).toBe(slots.length);
      }),
    );
  });

  it("never erases what is valid, and collects the emptiest", () => {
    const mapping = new Mapping(SMALL);
    const perBlock = superblockSlots(SMALL);
    const nothing = () => {};
    // One slot over and over: all that is left behind is empty, and nothing has to be moved.
    for (let count = 0; count < 20 * perBlock; count++) mapping.write(0, nothing, nothing);
    expect(mapping.moved).toBeLessThanOrEqual(1);
    expect(mapping.erased).toBeGreaterThan(10);
  });

  it.each([0.1, 0.2, 0.3])("writes for %f of spare what the analysis of greedy collection says, to 5 %", (spare) => {
    const device = { ...INTEL_P4500, blocksPerPlane: 256, pagesPerBlock: 16, channels: 4, diesPerChannel: 2, spare };
    // The blocks that are kept free hold no data, and the open one none that is collected.
    const usable = (device.blocksPerPlane - device.freeBlocks) / device.blocksPerPlane;
    const expected = analyticAmplification(usable / (1 - spare));
    expect(Math.abs(amplificationOf(device, 6) / expected - 1)).toBeLessThanOrEqual(0.05);
  });
});

describe("a solid-state device", () => {
  const request = (id: number, sector: number, write: boolean): BlockRequest => ({
    id,
    sector,
    sectors: 8,
    write,
    arrival: 0,
    owner: 0,
    class: "normal",
    deadline: Number.POSITIVE_INFINITY,
  });

  it("completes all that it is given, in order of time, and the same again", () => {
    const run = () => {
      const device = new SolidStateDevice({ ...SMALL, blocksPerPlane: 32 });
      const random = new Random(5, "requests");
      const ends: [number, number][] = [];
      let now = 0;
      for (let id = 0; id < 2000; id++) {
        while (device.pending >= 16) {
          const { request: done, at } = device.complete();
          expect(at).toBeGreaterThanOrEqual(now);
          now = at;
          ends.push([done.id, at]);
        }
        device.submit(request(id, random.below(device.sectors - 8), random.below(2) === 0), now);
      }
      while (device.pending > 0) ends.push([device.complete().request.id, 0]);
      expect(new Set(ends.map(([id]) => id)).size).toBe(2000);
      expect(device.next).toBe(Number.POSITIVE_INFINITY);
      return ends;
    };
    expect(run()).toEqual(run());
  });

  it("lets a read interrupt a program, and waits for the whole of it where it cannot", () => {
    const readBehindPrograms = (suspend: number) => {
      const device = new SolidStateDevice({
        ...MQSIM_DEFAULT,
        channels: 1,
        diesPerChannel: 1,
        suspend,
        writeBuffer: 2 ** 20,
      });
      device.mapping.fill();
      for (let id = 0; id < 64; id++) device.submit(request(id, id * 8, true), 0);
      device.submit(request(100, 4096, false), 0.5);
      for (;;) {
        const { request: done, at } = device.complete();
        if (done.id === 100) return (at - 0.5) * 1000;
      }
    };
    expect(readBehindPrograms(100)).toBeLessThan(400);
    expect(readBehindPrograms(Number.POSITIVE_INFINITY)).toBeGreaterThan(5000);
  });

  it("answers writes at the speed of its buffer until that is full, and then of its flash", () => {
    const burst = measureFigure(MQSIM_DEFAULT, {
      write: true,
      isSequential: true,
      bytes: 131_072,
      depth: 8,
      isWorn: false,
    });
    const buffered = measureFigure(MQSIM_DEFAULT, {
      write: true,
      isSequential: true,
      bytes: 4096,
      depth: 1,
      isWorn: false,
    });
    // 128 pages of 8 KiB every 750 us are 1398 MB/s; the link takes 4000.
    expect(burst.megabytes).toBeLessThan(1500);
    expect(buffered.microseconds).toBeLessThan(10);
  });

  it.each(
    DATA_SHEETS.filter(({ task }) => !task.isWorn || !task.write).map(
      (row) => [`${row.device.name}, ${row.what}`, row] as const,
    ),
  )("has the figures of its data sheet to 5 %%: %s", (_, { device, task, of, published }) => {
    expect(deviation(measureFigure(device, task)[of], published)).toBeLessThanOrEqual(0.05);
  });
});
