import type { Thread } from "../threads/thread.ts";
import type { Routine } from "../threads/wait.ts";
import type { Kernel } from "./kernel.ts";
import type { Services } from "./services.ts";

/** The bus that all devices here are on. */
const BUS_DRIVER = "pci.sys";

/** What drivers call about devices and their power. */
export class PowerServices {
  readonly #kernel: Kernel;
  readonly #services: Services;

  constructor(kernel: Kernel, services: Services) {
    this.#kernel = kernel;
    this.#services = services;
  }

  /** Puts the device of a driver on top of a new one of the bus. */
  attachToBus(thread: Thread, driverName: string): void {
    const { devices, images } = this.#kernel;
    const image = images.loaded.find(({ name }) => name === BUS_DRIVER)!;
    const bus = devices.driverOf(image);
    devices.registerPower(bus, {
      function: images.find("DispatchRequest", image),
      body: (own, _, request) => this.#complete(own, request),
    });
    this.#attach(thread, devices.deviceOf(driverName), devices.create(bus));
  }

  /** Puts the device of a driver on top of another driver's. */
  attach(thread: Thread, driverName: string, other: string): void {
    const { devices } = this.#kernel;
    this.#attach(thread, devices.deviceOf(driverName), devices.deviceOf(other));
  }

  /** Asks the stack of a driver's device for a power state (1 is D0), and waits until the request is completed. */
  *request(thread: Thread, driverName: string, state: number): Routine {
    const { devices, power, images } = this.#kernel;
    let completed = false;
    let wake = () => {};
    const pdo = devices.bottom(devices.deviceOf(driverName));
    thread.call(images.find("nt!PoRequestPowerIrp"), [pdo, BigInt(state)], () => {
      const request = power.create(pdo, state, () => {
        completed = true;
        wake();
      });
      this.#call(thread, devices.top(pdo), request);
    });
    if (completed) return;
    yield* this.#services.keWaitForSingleObject(thread, (signal) => {
      wake = signal;
    });
  }

  /** Hands a request of a device to the next lower one. */
  callBelow(thread: Thread, device: bigint, request: bigint): void {
    this.#call(thread, this.#kernel.devices.below(device), request);
  }

  /** The driver keeps the request, to complete it later. */
  markPending(request: bigint): void {
    this.#kernel.power.markPending(request);
  }

  #call(thread: Thread, device: bigint, request: bigint): void {
    const { devices, power, images } = this.#kernel;
    thread.call(images.find("nt!IofCallDriver"), [device, request], () => {
      power.handTo(request, device);
      const { function: dispatch, body } = devices.dispatchOf(device);
      thread.call(dispatch, [device, request], () => body(thread, device, request), "MajorFunction");
    });
  }

  #complete(thread: Thread, request: bigint): void {
    const { power, images } = this.#kernel;
    thread.call(images.find("nt!IofCompleteRequest"), [request], () => power.complete(request));
  }

  #attach(thread: Thread, device: bigint, target: bigint): void {
    const { devices, images } = this.#kernel;
    thread.call(images.find("nt!IoAttachDeviceToDeviceStack"), [device, target], () => devices.attach(device, target));
  }
}
