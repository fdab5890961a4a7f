import { checkUnload } from "../faults/unload-stop.ts";
import type { Kernel } from "../kernel/kernel.ts";
import type { Services } from "../kernel/services.ts";
import { workQueueItem } from "../kernel/work-queue.ts";
import type { Thread } from "../threads/thread.ts";
import { TICKS_PER_SECOND } from "../threads/virtual-clock.ts";
import type { Routine } from "../threads/wait.ts";
import type { Driver, DriverFile } from "./driver.ts";

/** What a driver's unloading takes. */
const UNLOAD_SECONDS = 0.001;

/** Unloads drivers whose work has ended, and loads them again. Both are work of a thread of the system. */
export class DriverUnloads {
  readonly #kernel: Kernel;
  readonly #services: Services;
  readonly #load: (thread: Thread, file: DriverFile, times: number) => void;
  /** A WORK_QUEUE_ITEM for each driver. */
  readonly #items = new Map<DriverFile, bigint>();

  /**
   * Starts that thread; the calling one is inside a function that calls ExAllocatePoolWithTag.
   * @param load loads a driver that was loaded so many times before
   */
  constructor(
    kernel: Kernel,
    services: Services,
    files: readonly DriverFile[],
    load: (thread: Thread, file: DriverFile, times: number) => void,
  ) {
    this.#kernel = kernel;
    this.#services = services;
    this.#load = load;
    for (const file of files) this.#items.set(file, kernel.allocate(workQueueItem.size, "IoLu"));
    kernel.work.start(services);
  }

  /** Has a driver unloaded that was loaded so many times, this one among them, and later loaded again. */
  request(file: DriverFile, driver: Driver, times: number): void {
    this.#queue(file, (thread) => this.#unload(thread, file, driver, times));
  }

  #queue(file: DriverFile, body: (thread: Thread) => Routine): void {
    const { work, images } = this.#kernel;
    work.insert(this.#items.get(file)!, { function: images.find("nt!IopLoadUnloadDriver"), body });
  }

  *#reload(thread: Thread, file: DriverFile, times: number): Routine {
    yield { kind: "compute", seconds: this.#kernel.random.between(0.02, 0.06) };
    this.#load(thread, file, times);
  }

  *#unload(thread: Thread, file: DriverFile, driver: Driver, times: number): Routine {
    const { images, devices, modules, clock, memory, processors } = this.#kernel;
    const { pools } = this.#services;
    const nt = (name: string) => images.find(`nt!${name}`);
    const { image } = driver;
    const unload = file.program.unload!;
    yield { kind: "compute", seconds: UNLOAD_SECONDS };
    const object = devices.driverOf(image);
    thread.call(driver.function(unload.function), [object], () => unload.body(driver, thread), "DriverUnload");
    const objects = devices.forget(image);
    for (const device of objects.devices) thread.call(nt("IoDeleteDevice"), [device], () => pools.free(thread, device));
    thread.call(nt("IopDeleteDriver"), [object], () => {
      for (const block of objects.driver) pools.free(thread, block);
    });
    thread.enter(nt("MmUnloadSystemImage"), [image.base]);
    thread.enter(nt("MiUnloadSystemImage"), [image.base]);
    checkUnload(this.#kernel, thread, image);
    for (const block of modules.remove(image)) pools.free(thread, block);
    this.#kernel.unmapImage(image);
    thread.leave();
    thread.leave();
    this.#kernel.print(`driver ${file.name} unloaded`);
    clock.after(unload.again * TICKS_PER_SECOND, () => {
      memory.processor = processors[0]!.virtual;
      this.#queue(file, (own) => this.#reload(own, file, times));
    });
  }
}
