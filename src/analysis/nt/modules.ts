import { hex } from "../../binary/index.ts";
import { loaderEntry, UNLOADED_DRIVER_SLOTS, unloadedDriver } from "../../dumpfile/index.ts";
import { Image } from "./image.ts";
import type { ImageFiles } from "./image-files.ts";
import type { Kernel } from "./kernel.ts";
import { isKernelAddress, type KernelMemory } from "./kernel-memory.ts";

/** One driver, the kernel included. */
export interface Module {
  readonly name: string;
  readonly path: string | null;
  readonly base: bigint;
  /** Bytes. */
  readonly size: number;
  readonly checkSum: number;
  readonly timeDateStamp: number;
}

export interface UnloadedModule {
  readonly name: string;
  readonly start: bigint;
  readonly end: bigint;
}

// Thousands of drivers are loaded nowhere; a damaged list may never come back to its head.
const MOST_MODULES = 4096;

export const baseName = (path: string): string => path.slice(path.lastIndexOf("\\") + 1);

/** The loaded modules of a kernel, searched by address; each one's image is opened when it is first needed. */
export class Modules {
  /** In the order of the dump. */
  readonly all: readonly Module[];
  readonly #sorted: readonly Module[];
  readonly #memory: KernelMemory;
  readonly #files: ImageFiles | null;
  readonly #images = new Map<Module, Image | null>();

  constructor(all: readonly Module[], memory: KernelMemory, files: ImageFiles | null) {
    this.all = all;
    this.#sorted = [...all].sort((a, b) => (a.base < b.base ? -1 : a.base > b.base ? 1 : 0));
    this.#memory = memory;
    this.#files = files;
  }

  at(address: bigint): Module | null {
    let low = 0;
    let high = this.#sorted.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#sorted[middle]!.base <= address) low = middle + 1;
      else high = middle;
    }
    const below = this.#sorted[low - 1];
    return below && address < below.base + BigInt(below.size) ? below : null;
  }

  /** From an image file where one fits, else from the dump's memory; null where the headers cannot be read. */
  image(module: Module): Image | null {
    const known = this.#images.get(module);
    if (known !== undefined) return known;
    const image =
      this.#files?.find(module) ??
      Image.open((rva, length) =>
        length <= module.size && rva + length <= module.size
          ? this.#memory.read(module.base + BigInt(rva), length)
          : null,
      );
    this.#images.set(module, image);
    return image;
  }

  /** Code at an address: of the image file where there is one, else of the dump. */
  code(address: bigint, length: number): Uint8Array | null {
    const module = this.at(address);
    const image = module && this.image(module);
    return image?.read(Number(address - module!.base), length) ?? this.#memory.read(address, length);
  }

  /** `module+0x…`, or the address itself where no module lies. */
  text(address: bigint): string {
    const module = this.at(address);
    return module ? `${module.name}+${hex(address - module.base)}` : hex(address);
  }
}

/** The loaded modules: a triage dump lists them itself, elsewhere they hang in PsLoadedModuleList. */
export function loadedModules(kernel: Kernel): Module[] {
  if (kernel.triage)
    return kernel.triage.drivers.map((driver) => ({
      name: baseName(driver.path),
      path: driver.path.includes("\\") ? driver.path : null,
      base: driver.base,
      size: driver.size,
      checkSum: driver.checkSum,
      timeDateStamp: driver.timeDateStamp,
    }));
  return walkList(kernel.memory, kernel.header.loadedModuleList, MOST_MODULES).flatMap(
    (entry) => readLoaderEntry(kernel.memory, entry) ?? [],
  );
}

function readLoaderEntry(memory: KernelMemory, at: bigint): Module | null {
  const bytes = memory.read(at, loaderEntry.size);
  if (!bytes) return null;
  const entry = loaderEntry.read(bytes);
  if (!isKernelAddress(entry.dllBase) || entry.sizeOfImage === 0) return null;
  const path = memory.unicodeString(at + BigInt(loaderEntry.fields.fullDllName.offset));
  const name = memory.unicodeString(at + BigInt(loaderEntry.fields.baseDllName.offset));
  return {
    name: name ?? (path === null ? hex(entry.dllBase) : baseName(path)),
    path,
    base: entry.dllBase,
    size: entry.sizeOfImage,
    checkSum: entry.checkSum,
    timeDateStamp: entry.timeDateStamp,
  };
}

/** Drivers that were loaded once, as a triage dump lists them or MmUnloadedDrivers remembers. */
export function unloadedModules(kernel: Kernel): UnloadedModule[] {
  if (kernel.triage) return [...kernel.triage.unloaded];
  const pointer = kernel.debuggerData?.mmUnloadedDrivers;
  const array = pointer ? kernel.memory.pointer(pointer) : null;
  if (array === null) return [];
  const found: UnloadedModule[] = [];
  for (let i = 0; i < UNLOADED_DRIVER_SLOTS; i++) {
    const at = array + BigInt(i * unloadedDriver.size);
    const bytes = kernel.memory.read(at, unloadedDriver.size);
    const name = kernel.memory.unicodeString(at);
    if (!bytes || name === null) continue;
    const slot = unloadedDriver.read(bytes);
    found.push({ name, start: slot.startAddress, end: slot.endAddress });
  }
  return found;
}

/** The members of a LIST_ENTRY list, head left out; stops at the head, a bad pointer, a member seen before, or `most`. */
export function walkList(memory: KernelMemory, head: bigint, most: number): bigint[] {
  const found: bigint[] = [];
  const seen = new Set<bigint>([head]);
  let at = isKernelAddress(head) ? memory.pointer(head) : null;
  while (at !== null && !seen.has(at) && found.length < most) {
    seen.add(at);
    found.push(at);
    at = memory.pointer(at);
  }
  return found;
}
