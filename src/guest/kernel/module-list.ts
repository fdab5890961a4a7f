import { coffHeader, DIRECTORY, dataDirectory, dosHeader, optionalHeader } from "../../binary/index.ts";
import { loaderEntry, UNLOADED_DRIVER_SLOTS, unicodeString64, unloadedDriver } from "../../dumpfile/index.ts";
import type { LoadedImage } from "../image/loaded-image.ts";
import { poolTag } from "../memory/pool.ts";
import type { Kernel } from "./kernel.ts";

const KERNEL_IMAGES: ReadonlySet<string> = new Set(["ntoskrnl.exe", "hal.dll"]);
/** LDRP_ flags that a loaded driver has in Windows: system mapped, entry processed, image is a driver. */
const LOADED_FLAGS = 0x0904_4000;

/** PsLoadedModuleList and MmUnloadedDrivers. */
export class ModuleList {
  readonly #kernel: Kernel;
  readonly #head: bigint;
  readonly #entries = new Map<LoadedImage, bigint>();

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
    this.#head = kernel.variable("PsLoadedModuleList");
    kernel.memory.initializeList(this.#head);
    const unloaded = kernel.allocate(UNLOADED_DRIVER_SLOTS * unloadedDriver.size, "MmDT");
    kernel.memory.processor.writeU64(kernel.variable("MmUnloadedDrivers"), unloaded);
  }

  add(image: LoadedImage): void {
    const { memory } = this.#kernel;
    const path = KERNEL_IMAGES.has(image.name)
      ? `\\SystemRoot\\system32\\${image.name}`
      : `\\SystemRoot\\System32\\drivers\\${image.name}`;
    const entry = this.#kernel.allocate(loaderEntry.size, "MmLd");
    const exception = directoryOf(image, DIRECTORY.exception);
    memory.put(loaderEntry, entry, {
      exceptionTable: image.base + BigInt(exception.virtualAddress),
      exceptionTableSize: exception.size,
      dllBase: image.base,
      entryPoint: image.base + BigInt(image.built.entryPoint),
      sizeOfImage: image.size,
      flags: LOADED_FLAGS,
      loadCount: 1,
      checkSum: image.built.checkSum,
      sizeOfImageNotRounded: image.size,
      timeDateStamp: image.built.timeDateStamp,
    });
    this.#text(entry + BigInt(loaderEntry.fields.fullDllName.offset), path);
    this.#text(entry + BigInt(loaderEntry.fields.baseDllName.offset), image.name);
    memory.insertTail(this.#head, entry);
    this.#entries.set(image, entry);
  }

  /** Address of a loaded image's entry. */
  entryOf(image: LoadedImage): bigint {
    return this.#entries.get(image)!;
  }

  /** Takes a driver off the list and remembers it among the unloaded ones. */
  remove(image: LoadedImage): void {
    const { memory, variable } = {
      memory: this.#kernel.memory,
      variable: (name: string) => this.#kernel.variable(name),
    };
    const entry = this.#entries.get(image)!;
    memory.removeEntry(entry);
    this.#entries.delete(image);
    const counter = variable("MmLastUnloadedDriver");
    const slot = memory.processor.readU32(counter);
    memory.processor.writeU32(counter, (slot + 1) % UNLOADED_DRIVER_SLOTS);
    const at = memory.processor.readU64(variable("MmUnloadedDrivers")) + BigInt(slot * unloadedDriver.size);
    this.#text(at, image.name);
    memory.put(unloadedDriver, at, {
      startAddress: image.base,
      endAddress: image.base + BigInt(image.size),
      currentTime: this.#kernel.systemTime,
    });
  }

  /** Address of the driver's base name, UTF-16 ended by a NUL, in nonpaged memory; 0 for an image that is not loaded. */
  nameOf(base: bigint): bigint {
    for (const [image, entry] of this.#entries)
      if (image.base === base)
        return this.#kernel.memory.processor.readU64(
          entry + BigInt(loaderEntry.fields.baseDllName.offset + unicodeString64.fields.buffer.offset),
        );
    return 0n;
  }

  #text(address: bigint, text: string): void {
    const buffer = this.#kernel.nonPagedPool.allocate(text.length * 2 + 2, poolTag("MmLn"));
    this.#kernel.memory.putUnicodeString(address, buffer, text);
  }
}

function directoryOf({ built: { bytes } }: LoadedImage, index: number) {
  const directories = dosHeader.read(bytes).newHeader + coffHeader.size + optionalHeader.size;
  return dataDirectory.read(bytes, directories + index * dataDirectory.size);
}
