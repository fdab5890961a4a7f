import type { Random } from "../../binary/index.ts";
import type { FunctionDeclaration } from "../image/function.ts";
import type { KernelFunction, LoadedImage } from "../image/loaded-image.ts";
import type { Kernel } from "../kernel/kernel.ts";
import type { Services } from "../kernel/services.ts";
import type { Thread } from "../threads/thread.ts";
import type { Routine } from "../threads/wait.ts";

/** A driver in a running kernel, as its own code sees it. */
export interface Driver {
  readonly name: string;
  readonly image: LoadedImage;
  readonly services: Services;
  /** The driver's own chance: jitter that does not depend on what others draw. */
  readonly random: Random;
  /** One of its functions. */
  function(name: string): KernelFunction;
}

/** What a driver is made of: its machine code, and what that does. */
export interface DriverProgram {
  /** Without DriverEntry, which every driver has. */
  readonly functions: readonly FunctionDeclaration[];
  /** What it does with a power request that comes to one of its devices. */
  readonly power?: {
    readonly function: string;
    readonly body: (driver: Driver, thread: Thread, device: bigint, request: bigint) => void;
  };
  /** It is unloaded when its worker has ended: what its DriverUnload does, and after how many seconds it is loaded again. */
  readonly unload?: {
    readonly function: string;
    readonly body: (driver: Driver, thread: Thread) => void;
    readonly again: number;
  };
  /** What it does with a request of a process: a buffer of that process, on its thread. */
  readonly control?: {
    readonly function: string;
    readonly body: (driver: Driver, thread: Thread, buffer: bigint, bytes: number) => Routine;
  };
  /** The routine of its worker thread, whose function is called `worker`. */
  readonly worker: { readonly function: string; readonly routine: (driver: Driver, thread: Thread) => Routine };
}

/** A driver to be loaded: its file name and what it is made of. */
export interface DriverFile {
  readonly name: string;
  readonly program: DriverProgram;
}

export function driverFor(
  name: string,
  image: LoadedImage,
  services: Services,
  random: Random,
  kernel: Kernel,
): Driver {
  const functions = new Map<string, KernelFunction>();
  return {
    name,
    image,
    services,
    random,
    function(wanted) {
      let found = functions.get(wanted);
      if (!found) {
        found = kernel.images.find(wanted, image);
        functions.set(wanted, found);
      }
      return found;
    },
  };
}
