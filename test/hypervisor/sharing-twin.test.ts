import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MAP_READ, MAP_WRITE } from "../../src/hypervisor/frame-map.ts";
import { HostMemory } from "../../src/hypervisor/host-memory.ts";
import { PageSharing, type SharingRequest } from "../../src/hypervisor/sharing/index.ts";
import { PlainMemory, type PlainPartition } from "./sharing-partition.ts";
import { SharingTwin, type TwinRequest } from "./sharing-twin.ts";

/** How many sequences: a part in the ordinary tests, 1,000,000 in the conformance run. */
const SEQUENCES = Number(process.env.STOPCODE_SHARING_SEQUENCES ?? 100_000);

const HOST_FRAMES = 24;
const PAGES = 5;
const SPACE = 9;
const HALF = 2048;

/** Slots of each partition's temporary range, from guest frame 6 on. */
const SLOTS = [3, 2, 0];
const RANGE = 6;

/** The real thing and its twin, driven by whole numbers that say what happens next. */
class Machine {
  readonly host = new HostMemory(HOST_FRAMES * 4096);
  readonly sharing = new PageSharing(this.host);
  readonly twin = new SharingTwin(HOST_FRAMES);
  readonly partitions = SLOTS.map((_, index) => this.#start(index));
  readonly #real = new Map<TwinRequest, SharingRequest>();
  readonly #ended: SharingRequest[] = [];
  #stamp = 0;

  /** Takes the step's parameters from its digits. */
  step(code: number): void {
    let left = code >>> 4;
    const digit = (below: number) => {
      const value = left % below;
      left = Math.floor(left / below);
      return value;
    };
    const kind = code & 15;
    if (kind < 4) this.#request(digit(3), digit(3), digit(2) === 0, digit(6), digit(4), [digit(6), digit(6), digit(9)]);
    else if (kind < 6) this.#allow(digit(3), digit(PAGES), digit(PAGES));
    else if (kind < 9) this.#run(digit(8), 1 + digit(6));
    else if (kind < 11) this.#complete(digit(8));
    else if (kind === 11) this.#kill(digit(3));
    else if (kind === 12) this.#change(digit(3), digit(SPACE), digit(2) === 0 ? "hole" : "frame");
    else if (kind === 13) this.#protect(digit(3), digit(PAGES), digit(2) === 0 ? MAP_READ : MAP_READ | MAP_WRITE);
    else if (kind === 14) this.#rogue(digit(HOST_FRAMES), digit(HOST_FRAMES));
    else this.#write(digit(3), digit(PAGES), digit(2));
  }

  /** Counts, slots, exclusion bits, frames and reported faults, all against what the twin says they have to be. */
  check(): void {
    const { host, sharing, twin } = this;
    let owned = 0;
    for (let frame = 0; frame < HOST_FRAMES; frame++) {
      same(sharing.pending.of(frame), twin.accesses(frame), "count of frame", frame);
      same(!sharing.exclusion.excludes(frame), twin.open.has(frame), "DMA allowed to frame", frame);
      if (twin.accesses(frame) > 0) same(host.isUsed(frame), true, "used while accesses are pending: frame", frame);
    }
    for (const { memory } of this.partitions)
      for (let page = 0; page < PAGES; page++)
        if (memory.map[page] !== 0) {
          owned++;
          same(host.isUsed(memory.hostFrame(page)!), true, "used: frame of page", page);
        }
    same(host.freeFrames, HOST_FRAMES - owned, "free frames");
    this.partitions.forEach((partition, index) => {
      const lent = partition.memory.lent.map((slot) => {
        same(slot >= RANGE && slot < RANGE + SLOTS[index]!, true, "in the range: slot", slot);
        return partition.memory.hostFrame(slot)!;
      });
      const shared = [...twin.shared(partition)].map((page) => partition.memory.hostFrame(page)!);
      same(String(lent.sort()), String(shared.sort()), "slots of partition", index);
    });
  }

  /** Everyone dies; then nothing may be left of anything. */
  finish(): void {
    same(this.sharing.report().faults.length, 0, "faults");
    for (let half = 0; half < 2 * HOST_FRAMES; half++)
      for (const at of [half * HALF, (half + 1) * HALF - 1])
        same(this.host.bytes[at], this.twin.halves[half], "byte of the host", at);
    for (const partition of this.partitions) this.#end(partition);
    same(this.host.freeFrames, HOST_FRAMES, "free frames at the end");
    same(this.sharing.pending.frames().length, 0, "counts at the end");
    same(this.sharing.dma.descriptors.length, 0, "descriptors at the end");
    same(this.sharing.counters().sharingRequestsPending, 0, "requests at the end");
  }

  #start(index: number): PlainPartition {
    const partition = { name: `p${index}`, memory: new PlainMemory(this.host, PAGES, SPACE) };
    if (SLOTS[index]! > 0) this.sharing.setAside(partition, RANGE, SLOTS[index]!);
    return partition;
  }

  #request(owner: number, requester: number, toShared: boolean, bufferPage: number, more: number, pages: number[]) {
    const [from, by] = [this.partitions[owner]!, this.partitions[requester]!];
    const asked = more === 3 ? [0, 1, 2, 3] : pages.slice(0, more + 1);
    const expected = this.twin.request(from, asked, by, bufferPage, toShared, SLOTS[owner]!);
    const answer = this.sharing.request({
      owner: from,
      pages: asked,
      requester: by,
      bufferPage,
      device: "sata0",
      direction: toShared ? "to-shared" : "from-shared",
    });
    same(answer.status, typeof expected === "string" ? expected : "success", "status");
    if (answer.status === "success" && typeof expected !== "string") this.#real.set(expected, answer.request);
  }

  #allow(which: number, first: number, count: number): void {
    const partition = this.partitions[which]!;
    const pages = Array.from({ length: Math.min(count, PAGES - first) + 1 }, (_, index) => first + index);
    const refused = pages.some((page) => page >= PAGES || partition.memory.map[page] === 0);
    same(
      thrown(() => this.sharing.allowDma(partition, first, pages.length)),
      refused ? "hypervisor/unmapped-gpa" : "",
      "allow",
    );
    if (!refused) for (const page of pages) this.twin.open.add(partition.memory.hostFrame(page)!);
  }

  #run(which: number, halves: number): void {
    const request = pick(this.twin.outstanding, which);
    if (request === undefined) return;
    const moved = this.sharing.dma.run(this.#real.get(request)!.descriptor, halves * HALF);
    same(moved, this.twin.run(request, halves) * HALF, "bytes moved");
  }

  #complete(which: number): void {
    const stale = pick(this.#ended, which);
    if (stale !== undefined && (which & 1) === 1) {
      same(
        thrown(() => this.sharing.complete(stale)),
        "hypervisor/unknown-request",
        "completed again",
      );
      same(this.sharing.dma.run(stale.descriptor, HALF), 0, "bytes moved after the end");
      return;
    }
    const request = pick(this.twin.outstanding, which);
    if (request === undefined) return;
    this.sharing.complete(this.#real.get(request)!);
    this.#ended.push(this.#real.get(request)!);
    this.twin.end(request);
  }

  #kill(which: number): void {
    this.#end(this.partitions[which]!);
    this.partitions[which] = this.#start(which);
  }

  #end(partition: PlainPartition): void {
    this.sharing.drain(partition);
    same(partition.memory.lent.length, 0, "slots of a dead partition");
    for (const request of this.twin.kill(partition)) {
      same(this.sharing.dma.run(this.#real.get(request)!.descriptor, HALF), 0, "bytes moved for the dead");
      this.#ended.push(this.#real.get(request)!);
    }
    partition.memory.release();
  }

  #change(which: number, page: number, to: "hole" | "frame"): void {
    const partition = this.partitions[which]!;
    const before = partition.memory.hostFrame(page);
    const inRange = page >= RANGE && page < RANGE + SLOTS[which]!;
    const inUse = inRange || (before !== null && this.twin.accesses(before) > 0);
    if (!inUse && page >= PAGES) return;
    const change = () => partition.memory.change(this.sharing, partition, page, to);
    same(thrown(change), inUse ? "hypervisor/object-in-use" : "", "change of the map");
    if (!inUse) this.twin.free(before);
  }

  #protect(which: number, page: number, rights: number): void {
    const partition = this.partitions[which]!;
    const frame = partition.memory.hostFrame(page);
    if (frame === null) return;
    const inUse = this.twin.accesses(frame) > 0;
    const ask = () => this.sharing.beforeMapChange(partition, page, 1);
    same(thrown(ask), inUse ? "hypervisor/object-in-use" : "", "change of rights");
    if (inUse) return;
    this.twin.open.delete(frame);
    partition.memory.protect(page, rights);
  }

  /** A device that was never given anything tries two frames of its choice. */
  #rogue(shared: number, buffer: number): void {
    const { dma } = this.sharing;
    const descriptor = dma.program({
      device: "nic0",
      frames: Uint32Array.of(shared),
      buffer: Uint32Array.of(buffer),
      direction: "to-shared",
    });
    const blocked = !this.twin.open.has(shared) || !this.twin.open.has(buffer);
    const before = dma.blocked;
    same(dma.run(descriptor, 0), 0, "nothing moved");
    if (blocked) {
      same(dma.run(descriptor, 4096), 0, "bytes moved by a device that may not");
      same(dma.blocked, before + 1, "blocked and logged");
    }
    dma.retire(descriptor);
  }

  #write(which: number, page: number, half: number): void {
    const frame = this.partitions[which]!.memory.hostFrame(page);
    if (frame === null) return;
    this.#stamp = (this.#stamp % 255) + 1;
    this.twin.halves[2 * frame + half] = this.#stamp;
    this.host.bytes.fill(this.#stamp, frame * 4096 + half * HALF, frame * 4096 + (half + 1) * HALF);
  }
}

/** `expect` costs more than a whole step. */
function same(real: unknown, twin: unknown, what: string, which = 0): void {
  if (real !== twin) throw new Error(`${what} ${which}: ${real}, has to be ${twin}`);
}

function pick<T>(list: readonly T[], which: number): T | undefined {
  return list[which % Math.max(1, list.length)];
}

/** The error's code; empty where nothing was thrown. */
function thrown(act: () => void): string {
  try {
    act();
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
  return "";
}

describe(`page sharing 3.4/12: ${SEQUENCES} random sequences of request, transfer, completion, death and remapping`, () => {
  it("count exactly what is outstanding, have a slot for each page with a count, leak nothing and free nothing early", () => {
    const step = fc.nat(2 ** 31 - 1);
    const kinds = new Map<string, number>();
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 24, size: "max" }), (steps) => {
        const machine = new Machine();
        for (const partition of machine.partitions) {
          machine.sharing.allowDma(partition, 0, PAGES);
          for (let page = 0; page < PAGES; page++) machine.twin.open.add(partition.memory.hostFrame(page)!);
        }
        for (const code of steps) {
          machine.step(code);
          machine.check();
        }
        machine.finish();
        for (const [name, value] of Object.entries(machine.sharing.counters()))
          kinds.set(name, (kinds.get(name) ?? 0) + value);
      }),
      { numRuns: SEQUENCES },
    );
    // The sequences have to reach what they are about.
    for (const name of ["Granted", "Refused", "Drained"])
      expect(kinds.get(`sharingRequests${name}`)).toBeGreaterThan(SEQUENCES / 10);
    expect(kinds.get("dmaBytes")).toBeGreaterThan(SEQUENCES);
    expect(kinds.get("dmaBlocked")).toBeGreaterThan(SEQUENCES / 100);
  }, 1_200_000);
});
