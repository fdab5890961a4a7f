import { deviceObject, driverObject, IO_TYPE } from "../../dumpfile/index.ts";
import type { DriverFact } from "../facts.ts";
import { isKernelAddress, type KernelMemory } from "./kernel-memory.ts";
import type { Modules } from "./modules.ts";

/** The driver of a device; null where either does not look like one. */
export function driverOf(memory: KernelMemory, modules: Modules, device: bigint): DriverFact | null {
  const object = readObject(memory, deviceObject, device, IO_TYPE.device)?.driverObject;
  const driver = object === undefined ? null : readObject(memory, driverObject, object, IO_TYPE.driver);
  if (driver === null) return null;
  return {
    name: memory.unicodeString(object! + BigInt(driverObject.fields.driverName.offset)),
    module: modules.at(driver.driverStart)?.name ?? null,
  };
}

/** A structure at an address; null where it cannot be read, or says that it is of another type. */
export function readObject<Values>(
  memory: KernelMemory,
  table: { readonly size: number; read(bytes: Uint8Array): Values },
  address: bigint,
  type?: number,
): Values | null {
  const bytes = isKernelAddress(address) ? memory.read(address, table.size) : null;
  if (bytes === null || (type !== undefined && bytes[0]! + bytes[1]! * 0x100 !== type)) return null;
  return table.read(bytes);
}
