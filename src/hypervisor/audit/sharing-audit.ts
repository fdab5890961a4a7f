import { hex, PAGE_SIZE } from "../../binary/index.ts";
import type { HypervisorState } from "../state/index.ts";
import type { Findings } from "./report.ts";

const NOT_THERE = 0xffff_ffff;
/** A count that was taken below 0 comes back from the other end. */
const BELOW_ZERO = 2 ** 31;

/**
 * Shared pages (systems.md 3.4/12, 3.4/13): the counts against the requests that are pending and against what the devices know,
 * the exclusion vector against the counts, and the temporary ranges against the maps.
 */
export function auditSharing(state: HypervisorState, maps: readonly Int32Array[], findings: Findings): void {
  const auditor = new SharingAudit(state, maps, findings);
  auditor.hostFrames();
  auditor.sharedPages();
  auditor.ranges();
}

class SharingAudit {
  readonly #state: HypervisorState;
  readonly #maps: readonly Int32Array[];
  readonly #findings: Findings;
  readonly #ownerOf: (hostFrame: number) => { partition: string; page: number } | null;

  constructor(state: HypervisorState, maps: readonly Int32Array[], findings: Findings) {
    this.#state = state;
    this.#maps = maps;
    this.#findings = findings;
    this.#ownerOf = (hostFrame) => {
      for (const [number, { name, partition }] of state.partitions.entries()) {
        const page = maps[number]!.subarray(0, partition[0]!.pages).findIndex((entry) => entry >>> 12 === hostFrame);
        if (page >= 0 && maps[number]![page] !== 0) return { partition: name, page };
      }
      return null;
    };
  }

  /** Pending accesses by the hypervisor's count, by its own requests, and by the devices' descriptors. */
  hostFrames(): void {
    const { pending, transferPages, requestPages, openRuns } = this.#state;
    const counts = new Map(pending.map(({ hostFrame, count }) => [hostFrame, count]));
    const transfers = new Map<number, number>();
    const requested = new Set(requestPages.map(({ descriptor }) => descriptor));
    const known = new Map<number, number>();
    for (const { descriptor, sharedFrame, bufferFrame } of transferPages)
      for (const frame of [sharedFrame, bufferFrame]) {
        transfers.set(frame, (transfers.get(frame) ?? 0) + 1);
        if (requested.has(descriptor)) known.set(frame, (known.get(frame) ?? 0) + 1);
      }
    this.#findings.checked.transfers += this.#state.descriptors.length;
    for (const frame of [...new Set([...counts.keys(), ...transfers.keys()])].sort((a, b) => a - b)) {
      const count = counts.get(frame) ?? 0;
      const moving = transfers.get(frame) ?? 0;
      if (count === moving) continue;
      if (count >= BELOW_ZERO || count < (known.get(frame) ?? 0))
        this.#frame("count-underflow", frame, moving, count, "was counted down more often than accesses ended");
      else if (count > moving) this.#frame("leak", frame, moving, count, "is counted as being accessed, by no device");
      else this.#frame("use-after-unmap", frame, count, moving, "is reached by a device that nobody counted");
    }
    const isOpen = (frame: number) =>
      openRuns.some(({ firstFrame, count }) => frame >= firstFrame && frame < firstFrame + count);
    for (const [frame, accesses] of known)
      if ((counts.get(frame) ?? 0) > 0 && !isOpen(frame))
        this.#frame("exclusion", frame, 0, accesses, "is closed to DMA while accesses to it are pending");
  }

  sharedPages(): void {
    const { sharedPages, requestPages, partitions } = this.#state;
    const wanted = new Map<string, number>();
    const key = (owner: number, page: number) => `${owner} ${page}`;
    for (const { owner, page } of requestPages) wanted.set(key(owner, page), (wanted.get(key(owner, page)) ?? 0) + 1);
    this.#findings.checked.sharedPages += sharedPages.length;
    for (const { owner, page, count, slot, slotIsFree } of sharedPages) {
      const accesses = wanted.get(key(owner, page)) ?? 0;
      wanted.delete(key(owner, page));
      if (count !== accesses) {
        const kind = count >= BELOW_ZERO || count < accesses ? "count-underflow" : "leak";
        this.#page(
          kind,
          owner,
          page,
          `${accesses} pending`,
          `${count} counted`,
          "has a count that its requests are not",
        );
      }
      if (slot === NOT_THERE) {
        if (accesses > 0) this.#page("slot", owner, page, "a slot", "none", "is shared and mapped nowhere");
        continue;
      }
      const map = this.#maps[owner]!;
      if (map[slot]! >>> 12 !== map[page]! >>> 12 || map[slot] === 0)
        this.#page("slot", owner, page, frameText(map[page]!), frameText(map[slot]!), "is not what its slot maps");
      if (slotIsFree === 1) this.#page("slot", owner, page, "taken", "free", "has a slot that counts as free");
      if (accesses === 0 && count === 0)
        this.#page("slot", owner, page, "no slot", hex(slot * PAGE_SIZE), "is mapped though nothing is pending");
    }
    for (const [where, accesses] of wanted) {
      const [owner, page] = where.split(" ").map(Number) as [number, number];
      if (owner < partitions.length)
        this.#page(
          "count-underflow",
          owner,
          page,
          `${accesses} pending`,
          "0 counted",
          "has a count that its requests are not",
        );
    }
  }

  /** The slots that are taken are those of shared pages. */
  ranges(): void {
    const { ranges, sharedPages, partitions } = this.#state;
    for (const { owner, base, pages, free } of ranges) {
      const slots = sharedPages.filter((page) => page.owner === owner && page.slot !== NOT_THERE);
      const mapped = this.#maps[owner]!.subarray(base, base + pages).filter((entry) => entry !== 0).length;
      if (new Set(slots.map(({ slot }) => slot)).size === pages - free && mapped === pages - free) continue;
      this.#findings.corrupt(
        "slot",
        { partition: partitions[owner]!.name, guestPhysicalAddress: hex(base * PAGE_SIZE) },
        `${pages - free} slots taken`,
        `${slots.length} shared, ${mapped} mapped`,
        `the temporary range of ${partitions[owner]!.name} does not agree with what is shared`,
      );
    }
  }

  #frame(
    kind: "count-underflow" | "leak" | "use-after-unmap" | "exclusion",
    hostFrame: number,
    expected: number,
    found: number,
    what: string,
  ): void {
    const owner = this.#ownerOf(hostFrame);
    const place = {
      partition: owner?.partition ?? null,
      guestPhysicalAddress: owner === null ? null : hex(owner.page * PAGE_SIZE),
      hostFrame,
    };
    this.#findings.corrupt(kind, place, String(expected), String(found), `host frame ${hex(hostFrame)} ${what}`);
  }

  #page(
    kind: "count-underflow" | "leak" | "slot",
    owner: number,
    page: number,
    expected: string,
    found: string,
    what: string,
  ): void {
    const partition = this.#state.partitions[owner]!.name;
    const entry = this.#maps[owner]![page]!;
    const place = {
      partition,
      guestPhysicalAddress: hex(page * PAGE_SIZE),
      hostFrame: entry === 0 ? null : entry >>> 12,
    };
    this.#findings.corrupt(kind, place, expected, found, `page ${hex(page * PAGE_SIZE)} of ${partition} ${what}`);
  }
}

function frameText(mapEntry: number): string {
  return mapEntry === 0 ? "nothing" : `host frame ${hex(mapEntry >>> 12)}`;
}
