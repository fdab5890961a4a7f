import { MAP_ALL, MAP_FRAME, mapEntry } from "../../src/hypervisor/frame-map.ts";
import type { HostMemory } from "../../src/hypervisor/host-memory.ts";
import type { PageSharing, SharingMemory, SharingPartition } from "../../src/hypervisor/sharing/index.ts";

/**
 * A partition in its plainest form: a list of frames, and a second one beyond it for what others lend. It throws where sharing would
 * overwrite or take away what is not its own, and tells in `told` what was done to it.
 */
export class PlainMemory implements SharingMemory {
  readonly pages: number;
  readonly map: Int32Array;
  readonly told: string[] = [];
  readonly #host: HostMemory;
  readonly #lent = new Set<number>();

  constructor(host: HostMemory, pages: number, space: number) {
    this.#host = host;
    this.pages = pages;
    this.map = new Int32Array(space);
    host.allocate(pages).forEach((frame, page) => {
      this.map[page] = mapEntry(frame, MAP_ALL);
    });
  }

  hostFrame(page: number): number | null {
    const entry = this.map[page] ?? 0;
    return entry === 0 ? null : entry >>> 12;
  }

  ownsFrame(page: number): boolean {
    return this.hostFrame(page) !== null && !this.#lent.has(page);
  }

  mapFrame(page: number, hostFrame: number, rights: number): void {
    if (this.map[page] !== 0) throw new Error(`page ${page} is mapped`);
    this.map[page] = mapEntry(hostFrame, rights);
    this.#lent.add(page);
    this.told.push(`map ${page}`);
  }

  unmapFrame(page: number): void {
    if (!this.#lent.delete(page)) throw new Error(`page ${page} is not lent`);
    this.map[page] = 0;
    this.told.push(`unmap ${page}`);
  }

  protect(page: number, rights: number): void {
    this.map[page] = (this.map[page]! & MAP_FRAME) | rights;
  }

  /** Another host frame, or none, behind a page of its own. */
  change(sharing: PageSharing, self: SharingPartition, page: number, to: "hole" | "frame"): void {
    sharing.beforeMapChange(self, page, 1);
    const before = this.hostFrame(page);
    this.map[page] = to === "hole" ? 0 : mapEntry(this.#host.allocate(1)[0]!, MAP_ALL);
    if (before !== null) this.#host.release(before);
  }

  /** Lent frames that are still mapped here. */
  get lent(): readonly number[] {
    return [...this.#lent];
  }

  /** The end: everything of its own goes back. */
  release(): void {
    for (let page = 0; page < this.pages; page++) if (this.map[page] !== 0) this.#host.release(this.hostFrame(page)!);
    this.map.fill(0);
  }
}

export interface PlainPartition extends SharingPartition {
  readonly memory: PlainMemory;
}
