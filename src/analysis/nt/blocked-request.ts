import { hex } from "../../binary/index.ts";
import { IO_TYPE, ioStackLocation, irp, POWER_FUNCTION, POWER_REQUESTS } from "../../dumpfile/index.ts";
import type { Facts } from "../facts.ts";
import { driverOf, readObject } from "./io-objects.ts";
import type { Kernel } from "./kernel.ts";
import type { Modules } from "./modules.ts";
import { baseStopCode } from "./stop-codes.ts";

type RequestFact = NonNullable<NonNullable<Facts["crash"]>["request"]>;

const DRIVER_POWER_STATE_FAILURE = 0x9f;
const BLOCKED_REQUEST = 3n;
/** POWER_STATE_TYPE: the state is the whole system's, or one device's. */
const STATE_LETTERS = ["S", "D"];

/**
 * The power request that a driver has kept for too long (0x9F with 3), and whose turn it is: the current stack location names the device,
 * the device its driver, and that its image. Null for other stop codes, and where the request cannot be read.
 */
export function blockedRequest(kernel: Kernel, modules: Modules): RequestFact | null {
  const { stopCode, memory, arch } = kernel;
  if (stopCode === null || baseStopCode(stopCode.code) !== DRIVER_POWER_STATE_FAILURE || arch === "x86") return null;
  const [violation, , , address] = stopCode.parameters;
  const request = violation === BLOCKED_REQUEST ? readObject(memory, irp, address, IO_TYPE.irp) : null;
  if (request === null) return null;
  const { stackCount, currentLocation } = request;
  // Whoever completes a request makes its location one that no device has.
  if (currentLocation < 1 || currentLocation > stackCount) return null;
  const locationAt = (number: number) =>
    readObject(memory, ioStackLocation, address + BigInt(irp.size + (number - 1) * ioStackLocation.size));
  const current = locationAt(currentLocation);
  if (current?.majorFunction !== POWER_FUNCTION) return null;
  const above = Array.from({ length: stackCount - currentLocation }, (_, index) => locationAt(stackCount - index));
  const { powerStateType, powerState } = current;
  const letter = STATE_LETTERS[powerStateType];
  return {
    address: hex(address),
    kind: POWER_REQUESTS[current.minorFunction] ?? null,
    // The first state of either kind is the one in which everything works, S0 or D0.
    state: letter && powerState >= 1 ? `${letter}${powerState - 1}` : null,
    device: hex(current.deviceObject),
    driver: driverOf(memory, modules, current.deviceObject),
    passedBy: above.flatMap((location) => {
      const driver = location && driverOf(memory, modules, location.deviceObject);
      return driver?.module ?? driver?.name ?? [];
    }),
  };
}
