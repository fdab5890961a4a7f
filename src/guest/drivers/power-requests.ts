import { IO_TYPE, ioStackLocation, irp, PENDING_RETURNED, POWER_FUNCTION, popIrpData } from "../../dumpfile/index.ts";
import { powerWatchdog } from "../faults/power-watchdog.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { TICKS_PER_SECOND } from "../threads/virtual-clock.ts";

/** IRP_MN_SET_POWER, and POWER_STATE_TYPE of a device. */
const SET_POWER = 2;
const OF_DEVICE = 1;

/**
 * Seconds that drivers may have a power request: ten minutes, as the kernel debugger says of 0x9F ("usually 10 minutes").
 */
const ALLOWED_SECONDS = 600;

interface Pending {
  /** POP_IRP_DATA. */
  readonly data: bigint;
  readonly completed: () => void;
}

const at = ({ offset }: { readonly offset: number }) => BigInt(offset);

/** The power manager's requests: IRPs with a stack location for each device of the stack, in the list at PopIrpList. */
export class PowerRequests {
  readonly #kernel: Kernel;
  readonly #pending = new Map<bigint, Pending>();

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
    kernel.memory.initializeList(kernel.variable("PopIrpList"));
    kernel.memory.initializeList(kernel.variable("PopIrpThreadList"));
  }

  /** A request for a power state (1 is D0) to the stack of `pdo`, its lowest device. It is watched until it is completed. */
  create(pdo: bigint, state: number, completed: () => void): bigint {
    const { memory, devices, clock } = this.#kernel;
    const target = devices.top(pdo);
    const stackCount = devices.stackSize(target);
    const bytes = irp.size + stackCount * ioStackLocation.size;
    const request = this.#kernel.allocate(bytes, "Irp ");
    memory.put(irp, request, {
      type: IO_TYPE.irp,
      size: bytes,
      stackCount,
      currentLocation: stackCount + 1,
      currentStackLocation: locationOf(request, stackCount + 1),
    });
    const data = this.#kernel.allocate(popIrpData.size, "Powe");
    memory.put(popIrpData, data, {
      irp: request,
      pdo,
      targetDevice: target,
      watchdogStart: BigInt(clock.now),
      minorFunction: SET_POWER,
      powerStateType: OF_DEVICE,
      powerState: state,
      watchdogEnabled: 1,
    });
    memory.insertTail(this.#kernel.variable("PopIrpList"), data);
    const pending: Pending = { data, completed };
    this.#pending.set(request, pending);
    clock.after(ALLOWED_SECONDS * TICKS_PER_SECOND, () => {
      // Another request may lie where this one lay.
      if (this.#pending.get(request) === pending) powerWatchdog(this.#kernel, { request, data, pdo });
    });
    return request;
  }

  /** The next lower location is a device's, with what the request asks for. */
  handTo(request: bigint, device: bigint): void {
    const { memory } = this.#kernel;
    const { data } = this.#pending.get(request)!;
    const current = memory.processor.readU8(request + at(irp.fields.currentLocation)) - 1;
    const location = locationOf(request, current);
    memory.put(ioStackLocation, location, {
      majorFunction: POWER_FUNCTION,
      minorFunction: SET_POWER,
      powerStateType: OF_DEVICE,
      powerState: memory.processor.readU32(data + at(popIrpData.fields.powerState)),
      deviceObject: device,
    });
    memory.put(irp, request, { currentLocation: current, currentStackLocation: location });
    memory.put(popIrpData, data, { currentDevice: device });
  }

  /** The driver whose turn it is keeps the request, to complete it later. */
  markPending(request: bigint): void {
    const { memory } = this.#kernel;
    const location = memory.processor.readU64(request + at(irp.fields.currentStackLocation));
    memory.put(ioStackLocation, location, { control: PENDING_RETURNED });
  }

  /** The request is done, and gone. */
  complete(request: bigint): void {
    const { memory, nonPagedPool } = this.#kernel;
    const { data, completed } = this.#pending.get(request)!;
    this.#pending.delete(request);
    memory.removeEntry(data);
    nonPagedPool.free(data);
    nonPagedPool.free(request);
    completed();
  }
}

const locationOf = (request: bigint, location: number): bigint =>
  request + BigInt(irp.size + (location - 1) * ioStackLocation.size);
