import { coffHeader, DIRECTORY, dataDirectory, dosHeader, optionalHeader } from "../../binary/index.ts";
import { loaderEntry, UNLOADED_DRIVER_SLOTS, unicodeString64, unloadedDriver } from "../../dumpfile/index.ts";
import type { LoadedImage } from "../image/loaded-image.ts";
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

  /** Takes a driver off the list and remembers it among the unloaded ones; tells the blocks of pool that nobody needs any more. */
  remove(image: LoadedImage): readonly bigint[] {
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
    const { fullDllName, baseDllName } = loaderEntry.fields;
    const names = [at, ...[fullDllName, baseDllName].map(({ offset }) => entry + BigInt(offset))];
    const unused = [...names.map((name) => this.#bufferOf(name)), entry].filter((block) => block !== 0n);
    this.#text(at, image.name);
    memory.put(unloadedDriver, at, {
      startAddress: image.base,
      endAddress: image.base + BigInt(image.size),
      currentTime: this.#kernel.systemTime,
    });
    return unused;
  }

  /** A driver was there once, and nothing is now. */
  isOfUnloaded(address: bigint): boolean {
    const { memory, images } = this.#kernel;
    const array = memory.processor.readU64(this.#kernel.variable("MmUnloadedDrivers"));
    if (images.imageAt(address) !== undefined) return false;
    for (let slot = 0; slot < UNLOADED_DRIVER_SLOTS; slot++) {
      const bytes = memory.processor.read(array + BigInt(slot * unloadedDriver.size), unloadedDriver.size);
      const { startAddress, endAddress } = unloadedDriver.read(bytes);
      if (address >= startAddress && address < endAddress) return true;
    }
    return false;
  }

  /** Address of the driver's base name, UTF-16 ended by a NUL, in nonpaged memory; 0 for an image that is not loaded. */
  nameOf(base: bigint): bigint {
    for (const [image, entry] of this.#entries)
      if (image.base === base) return this.#bufferOf(entry + BigInt(loaderEntry.fields.baseDllName.offset));
    return 0n;
  }

  /** Where the text of a UNICODE_STRING lies. */
  #bufferOf(name: bigint): bigint {
    return this.#kernel.memory.processor.readU64(name + BigInt(unicodeString64.fields.buffer.offset));
  }

  #text(address: bigint, text: string): void {
    const buffer = this.#kernel.allocate(text.length * 2 + 2, "MmLn");
    this.#kernel.memory.putUnicodeString(address, buffer, text);
  }
}

function directoryOf({ built: { bytes } }: LoadedImage, index: number) {
  const directories = dosHeader.read(bytes).newHeader + coffHeader.size + optionalHeader.size;
  return dataDirectory.read(bytes, directories + index * dataDirectory.size);
}
