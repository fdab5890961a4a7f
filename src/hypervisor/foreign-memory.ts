import { hex, PAGE_SIZE, type PageRun, type PageState, type PhysicalMemory, StopcodeError } from "../binary/index.ts";
import type { HostMemory } from "./host-memory.ts";

/** Memory as a partition reads what is not its own: read-only, and only as long as `mayRead` lets it. */
export class ForeignMemory implements PhysicalMemory {
  readonly #memory: PhysicalMemory;
  readonly #mayRead: () => void;

  /** @param mayRead throws when the reader has lost the right */
  constructor(memory: PhysicalMemory, mayRead: () => void) {
    this.#memory = memory;
    this.#mayRead = mayRead;
  }

  read(address: number, length: number): Uint8Array {
    this.#mayRead();
    return this.#memory.read(address, length);
  }

  runs(): readonly PageRun[] {
    this.#mayRead();
    return this.#memory.runs();
  }

  pageState(pfn: number): PageState {
    this.#mayRead();
    return this.#memory.pageState(pfn);
  }
}

/** All of the host's memory by system physical address. A frame that nobody has is zero and known to be. */
export class WholeHostMemory implements PhysicalMemory {
  readonly #host: HostMemory;

  constructor(host: HostMemory) {
    this.#host = host;
  }

  read(address: number, length: number): Uint8Array {
    if (!(address >= 0 && length >= 0 && address + length <= this.#host.bytes.length))
      throw new StopcodeError("memory/absent", `the host has ${this.#host.bytes.length} bytes of memory`, {
        where: { address: hex(Math.max(0, Math.floor(address))) },
      });
    return this.#host.bytes.slice(address, address + length);
  }

  runs(): readonly PageRun[] {
    return [{ firstPage: 0, pageCount: this.#host.frames }];
  }

  pageState(pfn: number): PageState {
    if (!(pfn >= 0 && pfn * PAGE_SIZE < this.#host.bytes.length)) return "absent";
    return this.#host.isUsed(pfn) ? "present" : "zero";
  }
}
