import { Random } from "../../binary/index.ts";
import { call, declare } from "../image/function.ts";
import type { ImageDeclaration } from "../image/image-declaration.ts";
import type { Kernel } from "../kernel/kernel.ts";
import type { Services } from "../kernel/services.ts";
import type { Thread } from "../threads/thread.ts";
import type { Routine } from "../threads/wait.ts";
import { mountBootDevice } from "./boot-device.ts";
import { type DriverFile, driverFor } from "./driver.ts";

/** Drivers of the system itself: they are there, and do nothing that would matter here. */
const SYSTEM_DRIVERS = [
  "CLFS.SYS",
  "ACPI.sys",
  "pci.sys",
  "disk.sys",
  "CLASSPNP.SYS",
  "Ntfs.sys",
  "ndis.sys",
  "tcpip.sys",
];
/** Needed at start only, and unloaded then. */
const BOOT_ONLY_DRIVER = "dump_diskdump.sys";

/** Loads the system's drivers and the scenario's in the order given, on the thread that the kernel starts with. */
export function* loadDrivers(
  kernel: Kernel,
  services: Services,
  thread: Thread,
  files: readonly DriverFile[],
  seed: number,
): Routine {
  const { images, modules } = kernel;
  thread.enter(images.find("nt!KiStartSystemThread"));
  thread.enter(images.find("nt!PspSystemThreadStartup"), [], "SystemRoutine");
  thread.enter(images.find("nt!Phase1Initialization"), [], "StartRoutine");
  thread.enter(images.find("nt!IopInitializeBootDrivers"));
  for (const name of SYSTEM_DRIVERS) modules.add(images.load(idleImage(name)));
  const bootOnly = images.load(idleImage(BOOT_ONLY_DRIVER));
  modules.add(bootOnly);
  for (const file of files) {
    yield { kind: "compute", seconds: kernel.random.between(0.02, 0.06) };
    loadDriver(kernel, services, thread, file, seed);
  }
  yield* mountBootDevice(kernel, services, thread);
  modules.remove(bootOnly);
  kernel.unmapImage(bootOnly);
  kernel.print(`${files.length} drivers started`);
  thread.leave();
  thread.enter(images.find("nt!MmZeroPageThread"));
  services.enterWait(thread);
  yield { kind: "block" };
}

function loadDriver(kernel: Kernel, services: Services, thread: Thread, file: DriverFile, seed: number): void {
  const { program } = file;
  const entry = declare(
    "DriverEntry",
    { saves: ["rbx", "rdi"], locals: 0x40 },
    call("nt!IoCreateDevice"),
    call("nt!PsCreateSystemThread"),
  );
  const image = kernel.images.load({ name: file.name, functions: [entry, ...program.functions] });
  kernel.modules.add(image);
  kernel.print(`driver ${file.name} loaded at 0x${image.base.toString(16)}`);
  const driver = driverFor(file.name, image, services, new Random(seed, `driver ${file.name}`), kernel);
  const device = kernel.allocate(0x150, "Driv");
  thread.call(kernel.images.find("nt!IopLoadDriver"), [device], () => {
    thread.call(
      driver.function("DriverEntry"),
      [device],
      () => {
        services.ioCreateDevice(thread);
        const { worker } = program;
        services.psCreateSystemThread(thread, driver.function(worker.function), (own) => worker.routine(driver, own));
      },
      "DriverEntry",
    );
  });
}

const idleImage = (name: string): ImageDeclaration => ({
  name,
  functions: [
    declare("DriverEntry", { saves: ["rbx"], locals: 0x20 }),
    declare("DispatchRequest", { saves: ["rbx", "rsi"], locals: 0x40 }),
  ],
});
