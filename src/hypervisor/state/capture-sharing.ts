import { runsOf } from "../page-runs.ts";
import type { Partition } from "../partition.ts";
import type { PageSharing } from "../sharing/index.ts";
import { DMA_STATES } from "./capture.ts";
import type { HypervisorState } from "./tables.ts";

type SharingState = Pick<
  HypervisorState,
  "ranges" | "sharedPages" | "pending" | "descriptors" | "transferPages" | "requestPages" | "openRuns"
>;

/** In place of a slot or of a descriptor: there is none. */
export const NOT_THERE = 0xffff_ffff;

/** Who shares what with whom, and what their devices are at. */
export function sharingState(sharing: PageSharing, partitions: readonly Partition[], hostFrames: number): SharingState {
  const numberOf = new Map<unknown, number>(partitions.map((partition, number) => [partition, number]));
  const { descriptors } = sharing.dma;
  return {
    ranges: sharing.shared.map(({ owner, range: { base, pages, free } }) => ({
      owner: numberOf.get(owner)!,
      base,
      pages,
      free,
    })),
    sharedPages: sharing.shared.flatMap((shared) =>
      [...new Set([...shared.pages(), ...shared.mapped()])].map((page) => {
        const slot = shared.slot(page);
        const slotIsFree = slot !== null && shared.range.isFree(slot) ? 1 : 0;
        return {
          owner: numberOf.get(shared.owner)!,
          page,
          count: shared.count(page),
          slot: slot ?? NOT_THERE,
          slotIsFree,
        };
      }),
    ),
    pending: sharing.pending.frames().map((hostFrame) => ({ hostFrame, count: sharing.pending.of(hostFrame) })),
    descriptors: descriptors.map(({ device, moved, state, direction }) => ({
      device,
      moved,
      state: DMA_STATES.indexOf(state),
      direction: direction === "to-shared" ? 0 : 1,
    })),
    transferPages: descriptors.flatMap(({ frames, buffer }, descriptor) =>
      [...frames].map((sharedFrame, index) => ({ descriptor, sharedFrame, bufferFrame: buffer[index]! })),
    ),
    requestPages: sharing.requests.flatMap(({ owner, requester, pages, descriptor }, request) =>
      pages.map((page) => ({
        request,
        owner: numberOf.get(owner)!,
        requester: numberOf.get(requester)!,
        page,
        descriptor: descriptors.indexOf(descriptor) >>> 0,
      })),
    ),
    openRuns: runsOf(hostFrames, (frame) => !sharing.exclusion.excludes(frame)).map(({ firstPage, pageCount }) => ({
      firstFrame: firstPage,
      count: pageCount,
    })),
  };
}
