import { deviceObject, driverObject, IO_TYPE, POWER_FUNCTION, unicodeString64 } from "../../dumpfile/index.ts";
import type { KernelFunction, LoadedImage } from "../image/loaded-image.ts";
import type { Kernel } from "../kernel/kernel.ts";
import type { Thread } from "../threads/thread.ts";
import type { Routine } from "../threads/wait.ts";

/** IRP_MJ_DEVICE_CONTROL. */
const DEVICE_CONTROL = 0x0e;

/** A driver's routine for power requests. */
export interface PowerDispatch {
  readonly function: KernelFunction;
  readonly body: (thread: Thread, device: bigint, request: bigint) => void;
}

/** A driver's routine for requests of processes. */
export interface ControlDispatch {
  readonly function: KernelFunction;
  readonly body: (thread: Thread, buffer: bigint, bytes: number) => Routine;
}

/** A device's extension is its driver's own. Those here keep the next lower device in it, 0 for the lowest. */
const EXTENSION_BYTES = 8;

const at = ({ offset }: { readonly offset: number }) => BigInt(offset);

/**
 * DRIVER_OBJECTs and the DEVICE_OBJECTs of their devices. A device's stack is the objects that drivers have for it, from that of its bus upwards:
 * a request goes to the highest first.
 */
export class DeviceStacks {
  readonly #kernel: Kernel;
  readonly #drivers = new Map<LoadedImage, bigint>();
  readonly #dispatch = new Map<bigint, PowerDispatch>();
  readonly #control = new Map<bigint, ControlDispatch>();

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  /** The DRIVER_OBJECT of an image, made when it is first asked for. */
  driverOf(image: LoadedImage): bigint {
    const known = this.#drivers.get(image);
    if (known !== undefined) return known;
    const { memory, modules } = this.#kernel;
    const driver = this.#kernel.allocate(driverObject.size, "Driv");
    memory.put(driverObject, driver, {
      type: IO_TYPE.driver,
      size: driverObject.size,
      driverStart: image.base,
      driverSize: image.size,
      driverSection: modules.entryOf(image),
      driverInit: image.base + BigInt(image.built.entryPoint),
    });
    const name = `\\Driver\\${image.shortName}`;
    const buffer = this.#kernel.allocate(name.length * 2 + 2, "Driv");
    memory.putUnicodeString(driver + at(driverObject.fields.driverName), buffer, name);
    this.#drivers.set(image, driver);
    return driver;
  }

  /** Has a driver get the power requests that are sent to its devices. */
  registerPower(driver: bigint, dispatch: PowerDispatch): void {
    const table = driver + at(driverObject.fields.majorFunction);
    this.#kernel.memory.processor.writeU64(table + BigInt(POWER_FUNCTION * 8), dispatch.function.address);
    this.#dispatch.set(driver, dispatch);
  }

  /** Has a driver get the requests that processes send to its devices. */
  registerControl(driver: bigint, dispatch: ControlDispatch): void {
    const table = driver + at(driverObject.fields.majorFunction);
    this.#kernel.memory.processor.writeU64(table + BigInt(DEVICE_CONTROL * 8), dispatch.function.address);
    this.#control.set(driver, dispatch);
  }

  /** What gets the requests of processes to the driver of a name; null as long as it is not loaded, and where it takes none. */
  controlOf(driverName: string): ControlDispatch | null {
    const image = this.#kernel.images.loaded.find(({ name }) => name === driverName);
    const driver = image && this.#drivers.get(image);
    return driver === undefined ? null : (this.#control.get(driver) ?? null);
  }

  /** A new device of a driver, the only one in its stack. */
  create(driver: bigint): bigint {
    const { memory } = this.#kernel;
    const device = this.#kernel.allocate(deviceObject.size + EXTENSION_BYTES, "Devi");
    const list = driver + at(driverObject.fields.deviceObject);
    memory.put(deviceObject, device, {
      type: IO_TYPE.device,
      size: deviceObject.size,
      referenceCount: 1,
      driverObject: driver,
      nextDevice: memory.processor.readU64(list),
      deviceExtension: device + BigInt(deviceObject.size),
      stackSize: 1,
    });
    memory.processor.writeU64(list, device);
    return device;
  }

  /** Strikes off what an image has; tells its devices, and the blocks of its DRIVER_OBJECT. */
  forget(image: LoadedImage): { readonly devices: readonly bigint[]; readonly driver: readonly bigint[] } {
    const { processor } = this.#kernel.memory;
    const object = this.driverOf(image);
    this.#drivers.delete(image);
    this.#dispatch.delete(object);
    const devices: bigint[] = [];
    const { driverName, deviceObject: first } = driverObject.fields;
    for (let device = processor.readU64(object + at(first)); device !== 0n; ) {
      devices.push(device);
      device = processor.readU64(device + at(deviceObject.fields.nextDevice));
    }
    const name = processor.readU64(object + at(driverName) + at(unicodeString64.fields.buffer));
    return { devices, driver: [name, object] };
  }

  /** Puts a device on top of the stack that `target` is in. */
  attach(device: bigint, target: bigint): void {
    const { memory } = this.#kernel;
    const below = this.top(target);
    memory.put(deviceObject, below, { attachedDevice: device });
    memory.put(deviceObject, device, { stackSize: this.stackSize(below) + 1 });
    memory.processor.writeU64(device + BigInt(deviceObject.size), below);
  }

  /** The highest device of a stack. */
  top(device: bigint): bigint {
    const { processor } = this.#kernel.memory;
    const above = processor.readU64(device + at(deviceObject.fields.attachedDevice));
    return above === 0n ? device : this.top(above);
  }

  /** The next lower device; 0 for the lowest. */
  below(device: bigint): bigint {
    return this.#kernel.memory.processor.readU64(device + BigInt(deviceObject.size));
  }

  /** The lowest device of a stack, which is the bus's. */
  bottom(device: bigint): bigint {
    const below = this.below(device);
    return below === 0n ? device : this.bottom(below);
  }

  stackSize(device: bigint): number {
    return this.#kernel.memory.processor.readU8(device + at(deviceObject.fields.stackSize));
  }

  /** The newest device of the driver that is called so. It has to be loaded. */
  deviceOf(driverName: string): bigint {
    const image = this.#kernel.images.loaded.find(({ name }) => name === driverName)!;
    return this.#kernel.memory.processor.readU64(this.driverOf(image) + at(driverObject.fields.deviceObject));
  }

  /** What gets the power requests for a device. */
  dispatchOf(device: bigint): PowerDispatch {
    const driver = this.#kernel.memory.processor.readU64(device + at(deviceObject.fields.driverObject));
    return this.#dispatch.get(driver)!;
  }
}
