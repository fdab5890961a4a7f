import { Random } from "../../binary/index.ts";
import { completeStart } from "../checks/diagnosis-store.ts";
import { call, declare } from "../image/function.ts";
import type { ImageDeclaration } from "../image/image-declaration.ts";
import type { LoadedImage } from "../image/loaded-image.ts";
import type { Kernel } from "../kernel/kernel.ts";
import type { Services } from "../kernel/services.ts";
import { CrashDumpStack } from "../storage/crash-dump-stack.ts";
import type { Thread } from "../threads/thread.ts";
import type { Routine } from "../threads/wait.ts";
import { mountBootDevice } from "./boot-device.ts";
import { type Driver, type DriverFile, type DriverProgram, driverFor } from "./driver.ts";
import { DriverUnloads } from "./unloading.ts";

/** Drivers of the system itself: they are there, and do nothing that would matter here. */
const SYSTEM_DRIVERS = [
  "CLFS.SYS",
  "ACPI.sys",
  "pci.sys",
  "disk.sys",
  "CLASSPNP.SYS",
  "storport.sys",
  "Ntfs.sys",
  "ndis.sys",
  "tcpip.sys",
];
/** The system's own driver for the adapter of the boot device. */
const ADAPTER_DRIVER = "storahci.sys";
/** Port driver of the crash-time stack. Where no dump is to be written by it, it is needed at start only, and unloaded then. */
const DUMP_PORT_DRIVER = "dump_diskdump.sys";

/** What a guest is to have for its boot device. */
export interface BootStorage {
  /** Which of the drivers to be loaded is that of the device's adapter; null: the system's own. */
  readonly adapterDriver: string | null;
  /** At a stop the guest is to write a dump of itself. */
  readonly selfDump: boolean;
}

/** Loads the system's drivers and the scenario's in the order given, on the thread that the kernel starts with. */
export function* loadDrivers(
  kernel: Kernel,
  services: Services,
  thread: Thread,
  files: readonly DriverFile[],
  storage: BootStorage,
  seed: number,
): Routine {
  const { images, modules, pageFile } = kernel;
  thread.enter(images.find("nt!KiStartSystemThread"));
  thread.enter(images.find("nt!PspSystemThreadStartup"), [], "SystemRoutine");
  thread.enter(images.find("nt!Phase1Initialization"), [], "StartRoutine");
  thread.enter(images.find("nt!IopInitializeBootDrivers"));
  for (const name of SYSTEM_DRIVERS) modules.add(images.load(idleImage(name)));
  if (storage.adapterDriver === null) modules.add(images.load(idleImage(ADAPTER_DRIVER)));
  const dumpPort = images.load(idleImage(DUMP_PORT_DRIVER));
  modules.add(dumpPort);
  const load = (own: Thread, file: DriverFile, times: number) => {
    const chance = new Random(seed, `driver ${file.name}${times === 0 ? "" : `, load ${times + 1}`}`);
    loadDriver(kernel, services, own, file, chance, (driver) => unloads?.request(file, driver, times + 1));
  };
  const unloading = files.filter(({ program }) => program.unload !== undefined);
  const unloads = unloading.length === 0 ? null : new DriverUnloads(kernel, services, unloading, load);
  for (const file of files) {
    yield { kind: "compute", seconds: kernel.random.between(0.02, 0.06) };
    load(thread, file, 0);
  }
  yield* mountBootDevice(kernel, services, thread);
  if (storage.selfDump && pageFile !== null)
    kernel.crashDump = new CrashDumpStack(kernel, pageFile, copyForDump(kernel, storage.adapterDriver, files));
  else {
    modules.remove(dumpPort);
    kernel.unmapImage(dumpPort);
  }
  kernel.print(`${files.length} drivers started`);
  completeStart(kernel.partition.nonVolatile);
  thread.leave();
  thread.enter(images.find("nt!MmZeroPageThread"));
  services.enterWait(thread);
  yield { kind: "block" };
}

/** Loads the adapter's driver a second time, for dump mode, and tells which image the first is. */
function copyForDump(
  { images, modules }: Kernel,
  adapterDriver: string | null,
  files: readonly DriverFile[],
): LoadedImage {
  const name = adapterDriver ?? ADAPTER_DRIVER;
  const file = files.find((one) => one.name === adapterDriver);
  modules.add(images.load(file === undefined ? idleImage(`dump_${name}`) : driverImage(`dump_${name}`, file.program)));
  return images.loaded.find((image) => image.name === name)!;
}

/** @param ended is told when the driver's worker has ended, where that has it unloaded */
function loadDriver(
  kernel: Kernel,
  services: Services,
  thread: Thread,
  file: DriverFile,
  chance: Random,
  ended: (driver: Driver) => void,
): void {
  const { program } = file;
  const image = kernel.images.load(driverImage(file.name, program));
  kernel.modules.add(image);
  kernel.print(`driver ${file.name} loaded at 0x${image.base.toString(16)}`);
  const driver = driverFor(file.name, image, services, chance, kernel);
  const { devices } = kernel;
  const object = devices.driverOf(image);
  const { power, control } = program;
  if (control)
    devices.registerControl(object, {
      function: driver.function(control.function),
      body: (own, buffer, bytes) => control.body(driver, own, buffer, bytes),
    });
  if (power)
    devices.registerPower(object, {
      function: driver.function(power.function),
      body: (own, device, request) => power.body(driver, own, device, request),
    });
  thread.call(kernel.images.find("nt!IopLoadDriver"), [object], () => {
    thread.call(
      driver.function("DriverEntry"),
      [object],
      () => {
        services.ioCreateDevice(thread, object);
        const { worker, unload } = program;
        services.psCreateSystemThread(thread, driver.function(worker.function), function* (own) {
          yield* worker.routine(driver, own);
          if (unload !== undefined) ended(driver);
        });
      },
      "DriverEntry",
    );
  });
}

const driverImage = (name: string, { functions }: DriverProgram): ImageDeclaration => ({
  name,
  functions: [
    declare(
      "DriverEntry",
      { saves: ["rbx", "rdi"], locals: 0x40 },
      call("nt!IoCreateDevice"),
      call("nt!PsCreateSystemThread"),
    ),
    ...functions,
  ],
});

const idleImage = (name: string): ImageDeclaration => ({
  name,
  functions: [
    declare("DriverEntry", { saves: ["rbx"], locals: 0x20 }),
    declare("DispatchRequest", { saves: ["rbx", "rsi"], locals: 0x40 }, call("nt!IofCompleteRequest")),
  ],
});
