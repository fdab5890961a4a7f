import { describe, expect, it } from "vitest";
import {
  deviceObject,
  driverObject,
  ioStackLocation,
  irp,
  popIrpData,
  triage9fPower,
} from "../../src/dumpfile/index.ts";
import { crashed, type View } from "./lab.ts";

const drivers = (completes: number, every = "2 s") => `drivers:
  - { name: lanestor.sys, behaviour: lost-power-irp, options: { completes: ${completes} } }
  - { name: idlewatch.sys, behaviour: idle-power-down, options: { device: lanestor.sys, every: ${every} } }
  - { name: pump.sys, behaviour: map-and-unmap, options: { rate: 1 per second, pages: 2 } }`;

const lost = (completes: number) => crashed(drivers(completes), { duration: "12 min", seed: 5 });

/** The driver of a device, by name. */
function driverNameOf(view: View, device: bigint): string {
  const { driverObject: driver } = deviceObject.read(view.memory.read(device, deviceObject.size));
  return view.text(driver + BigInt(driverObject.fields.driverName.offset));
}

describe("a power request that a driver keeps", () => {
  it("stops the guest with 0x9F: 3, the lowest device, the block with the list of requests, the request", async () => {
    const { event, view, host } = await lost(2);
    expect(event.stopCode).toBe(0x9f);
    const [violation, pdo, block, request] = event.parameters as [bigint, bigint, bigint, bigint];
    expect(violation).toBe(3n);
    expect(driverNameOf(view, pdo)).toBe("\\Driver\\pci");
    const triage = triage9fPower.read(view.memory.read(block, triage9fPower.size));
    expect(triage).toMatchObject({ signature: 0x8000, revision: 1 });
    // On the stack, above what the call of the bug check takes: the return address and five arguments.
    expect(block).toBeGreaterThanOrEqual(view.context.rsp + 0x30n);
    const listed = view.list(triage.irpList).map((at) => popIrpData.read(view.memory.read(at, popIrpData.size)));
    // The two that were completed are gone.
    expect(listed).toHaveLength(1);
    expect(listed[0]).toMatchObject({ irp: request, pdo, minorFunction: 2, powerStateType: 1, powerState: 4 });
    expect([listed[0]!.targetDevice, listed[0]!.currentDevice].map((device) => driverNameOf(view, device))).toEqual([
      "\\Driver\\idlewatch",
      "\\Driver\\lanestor",
    ]);
    expect(view.list(triage.threadList)).toEqual([]);
    await host.close();
  });

  it("has a stack location for each device, and its current one is pending at the driver that keeps it", async () => {
    const { event, view, host } = await lost(0);
    const request = event.parameters[3]!;
    const found = irp.read(view.memory.read(request, irp.size));
    expect(found).toMatchObject({ type: 6, size: 0xd0 + 3 * 0x48, stackCount: 3, currentLocation: 2 });
    expect(found.currentStackLocation).toBe(request + 0xd0n + 0x48n);
    const locations = [1, 2, 3].map((number) =>
      ioStackLocation.read(view.memory.read(request + BigInt(irp.size + (number - 1) * 0x48), ioStackLocation.size)),
    );
    expect(locations.map(({ majorFunction, control }) => [majorFunction, control])).toEqual([
      [0, 0],
      [0x16, 1],
      [0x16, 0],
    ]);
    expect(locations.slice(1).map((one) => driverNameOf(view, one.deviceObject))).toEqual([
      "\\Driver\\lanestor",
      "\\Driver\\idlewatch",
    ]);
    await host.close();
  });

  it("is found ten minutes after it was made, and not by the timer of one that was completed", async () => {
    for (const completes of [0, 3]) {
      const { event, host } = await lost(completes);
      const asked = event.atSeconds - 600;
      // Every two seconds or so, from two seconds after the driver was loaded.
      expect(asked).toBeGreaterThan(2 + completes * 1.6);
      expect(asked).toBeLessThan(2.5 + completes * 2.4);
      await host.close();
    }
  });

  it("leaves the driver above waiting, and a stack of devices whose drivers' objects name their images", async () => {
    const { event, view, host } = await lost(0);
    const { list, memory, modules, processes } = view;
    const waiting = modules.find(({ name }) => name === "idlewatch.sys")!;
    const inside = (address: bigint) =>
      address >= waiting.dllBase && address < waiting.dllBase + BigInt(waiting.sizeOfImage);
    const threads = processes.flatMap((process) => process.threads);
    expect(threads.filter(({ startAddress }) => inside(startAddress)).map(({ state }) => state)).toEqual([5]);
    const stack: string[] = [];
    for (let device = event.parameters[1]!; device !== 0n; ) {
      const {
        driverObject: driver,
        attachedDevice,
        stackSize,
      } = deviceObject.read(memory.read(device, deviceObject.size));
      const { driverStart, driverSize, driverSection } = driverObject.read(memory.read(driver, driverObject.size));
      const module = modules.find(({ dllBase }) => dllBase === driverStart)!;
      expect(driverSize).toBe(module.sizeOfImage);
      expect(list(view.header.psLoadedModuleList)).toContain(driverSection);
      stack.push(`${stackSize} ${module.name}`);
      device = attachedDevice;
    }
    expect(stack).toEqual(["1 pci.sys", "2 lanestor.sys", "3 idlewatch.sys"]);
    await host.close();
  });

  it("does not come about as long as every request is completed", async () => {
    await expect(crashed(drivers(1000), { duration: "11 min", seed: 5 })).rejects.toThrow("did not stop");
  });
});
