import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import { windowsFacts } from "../../../src/analysis/index.ts";
import {
  deviceObject,
  driverObject,
  ioStackLocation,
  irp as irpLayout,
  loaderEntry,
} from "../../../src/dumpfile/index.ts";
import { LaidOutKernel } from "./laid-out-kernel.ts";

const MODULE_LIST = 0xffff_f800_0080_0000n;
const OBJECTS = 0xffff_a000_0000_0000n;
const IRP = OBJECTS + 0x8000n;
const PDO = OBJECTS;
/** A stack of three, the lowest first. */
const DRIVERS = ["pci", "lanestor", "idlewatch"] as const;

const deviceOf = (index: number) => OBJECTS + BigInt(index) * 0x1000n;
const driverOf = (index: number) => deviceOf(index) + 0x400n;
const baseOf = (index: number) => 0xffff_f800_1000_0000n + BigInt(index) * 0x10_0000n;
const locationOf = (number: number) => IRP + BigInt(irpLayout.size + (number - 1) * ioStackLocation.size);

let kernel: LaidOutKernel;

beforeEach(() => {
  kernel = new LaidOutKernel();
  const entries = DRIVERS.map((_, index) => MODULE_LIST + BigInt(index + 1) * 0x1000n);
  kernel.putWords(MODULE_LIST, entries[0]!, entries.at(-1)!);
  DRIVERS.forEach((name, index) => {
    const at = entries[index]!;
    kernel.putLayout(loaderEntry, at, { dllBase: baseOf(index), sizeOfImage: 0x1_0000 });
    kernel.putWords(at, entries[index + 1] ?? MODULE_LIST, entries[index - 1] ?? MODULE_LIST);
    kernel.putUnicodeString(at + BigInt(loaderEntry.fields.baseDllName.offset), `${name}.sys`, at + 0x200n);
    kernel.putLayout(deviceObject, deviceOf(index), { type: 3, driverObject: driverOf(index) });
    kernel.putLayout(driverObject, driverOf(index), { type: 4, driverStart: baseOf(index) });
    const text = BigInt(driverObject.fields.driverName.offset);
    kernel.putUnicodeString(driverOf(index) + text, `\\Driver\\${name}`, driverOf(index) + 0x300n);
    kernel.putLayout(ioStackLocation, locationOf(index + 1), {
      ...{ majorFunction: 0x16, minorFunction: 2, powerStateType: 1, powerState: 4 },
      deviceObject: deviceOf(index),
    });
  });
  request({});
});

const request = (change: { type?: number; currentLocation?: number; stackCount?: number }) =>
  kernel.putLayout(irpLayout, IRP, { type: 6, stackCount: 3, currentLocation: 2, ...change });

const facts = (parameters: readonly [bigint, bigint, bigint, bigint] = [3n, PDO, 0n, IRP], code = 0x9f) =>
  windowsFacts(kernel.dump({ loadedModuleList: MODULE_LIST }, { code, parameters }));
const found = () => facts().crash?.request ?? null;

describe("a power request that was not completed", () => {
  it.each([
    [3, "idlewatch.sys", []],
    [2, "lanestor.sys", ["idlewatch.sys"]],
    [1, "pci.sys", ["idlewatch.sys", "lanestor.sys"]],
  ] as const)("at location %i is with %s", (currentLocation, module, passedBy) => {
    request({ currentLocation });
    expect(found()).toEqual({
      ...{ address: "0xffffa00000008000", kind: "IRP_MN_SET_POWER", state: "D3" },
      device: `0x${deviceOf(currentLocation - 1).toString(16)}`,
      driver: { name: `\\Driver\\${module.slice(0, -4)}`, module },
      passedBy,
    });
    expect(facts().crash?.module).toEqual({ name: module, offset: null, via: "blocked request" });
  });

  it.each([
    [0, 0, "IRP_MN_WAIT_WAKE", null],
    [3, 1, "IRP_MN_QUERY_POWER", "S0"],
    [9, 4, null, "S3"],
  ])("of minor function %i wants what it says", (minorFunction, powerState, kind, state) => {
    const location = { majorFunction: 0x16, minorFunction, powerStateType: 0, powerState };
    kernel.putLayout(ioStackLocation, locationOf(2), { ...location, deviceObject: deviceOf(1) });
    expect(found()).toMatchObject({ kind, state });
  });

  it.each([0, 4, 200])("is nobody's at location %i", (currentLocation) => {
    request({ currentLocation });
    // What lies there looks like one.
    const location = { majorFunction: 0x16, minorFunction: 2, deviceObject: deviceOf(1) };
    kernel.putLayout(ioStackLocation, locationOf(currentLocation), location);
    expect(found()).toBeNull();
    expect(facts().crash?.module ?? null).toBeNull();
  });

  it("is looked for only where the stop code names one", () => {
    expect(facts([4n, PDO, 0n, IRP]).crash?.request ?? null).toBeNull();
    expect(facts([3n, PDO, 0n, IRP], 0xa).crash?.request ?? null).toBeNull();
    expect(facts([3n, PDO, 0n, IRP], 0x1000_009f).crash?.request?.driver?.module).toBe("lanestor.sys");
  });

  it("is not read from what is no request, and not to a driver from what is no device or driver", () => {
    request({ type: 3 });
    expect(found()).toBeNull();
    request({});
    kernel.putLayout(driverObject, driverOf(1), { type: 3, driverStart: baseOf(1) });
    expect(found()).toMatchObject({ driver: null, passedBy: ["idlewatch.sys"] });
    kernel.putLayout(deviceObject, deviceOf(1), { type: 4, driverObject: driverOf(0) });
    expect(found()).toMatchObject({ driver: null });
    kernel.putLayout(ioStackLocation, locationOf(2), { majorFunction: 3, deviceObject: deviceOf(0) });
    expect(found()).toBeNull();
  });

  it("has a driver with a name and no module where its image is not loaded", () => {
    kernel.putWords(driverOf(1) + BigInt(driverObject.fields.driverStart.offset), 0xffff_f900_0000_0000n);
    expect(found()).toMatchObject({ driver: { name: "\\Driver\\lanestor", module: null } });
  });

  it("is read, or not, whatever lies there", () => {
    const place = fc.integer({ min: 0, max: 0x8200 });
    fc.assert(
      fc.property(
        fc.array(fc.tuple(place, fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })), { maxLength: 30 }),
        (damage) => {
          for (const [offset, word] of damage) kernel.putWords(OBJECTS + BigInt(offset & ~7), word);
          expect(() => facts()).not.toThrow();
        },
      ),
      { numRuns: 100 },
    );
  });
});
