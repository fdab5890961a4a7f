import type { DmaDescriptor, DmaDirection, DmaState } from "./dma.ts";
import type { SharingPartition } from "./guest-pages.ts";
import type { PendingAccesses } from "./pending-accesses.ts";
import type { SharedPages } from "./shared-pages.ts";

/** A page that others' devices were reaching when the machine stopped: "DMA in flight at crash". */
export interface SharedPageRef {
  /** Null only where the page has gone from under its accesses. */
  readonly hostFrame: number | null;
  readonly owner: string;
  /** The owner's guest frame, and the one in its temporary range where the page is mapped as well. */
  readonly ownerPage: number;
  readonly slot: number | null;
  /** Pending accesses. */
  readonly count: number;
  /** Partitions whose requests are pending, each once, in the order of their requests. */
  readonly requesters: readonly string[];
}

export interface TransferInFlight {
  readonly device: string;
  readonly frames: readonly number[];
  readonly buffer: readonly number[];
  readonly direction: DmaDirection;
  readonly state: DmaState;
  readonly movedBytes: number;
}

/**
 * A host frame whose count is not what the devices are doing.
 * `leak`: counted as being accessed, and no device is: it can never be moved or given back again. `use-after-unmap`: a device has
 * a descriptor for it that nobody counted: its memory may belong to somebody else by now.
 */
export interface SharingFault {
  readonly kind: "leak" | "use-after-unmap";
  readonly hostFrame: number;
  /** Pending accesses by the count, and by the descriptors of the DMA controller. */
  readonly count: number;
  readonly transfers: number;
}

/** Plain data, fit for JSON. */
export interface SharingReport {
  readonly inFlight: readonly SharedPageRef[];
  readonly transfers: readonly TransferInFlight[];
  readonly faults: readonly SharingFault[];
}

/** What the report has to know of a request. */
interface Request {
  readonly owner: SharingPartition;
  readonly pages: readonly number[];
  readonly requester: SharingPartition;
}

/** Counts come from the hypervisor's books, transfers from the controller: each is a check of the other. */
export function sharingReport(
  pending: PendingAccesses,
  partitions: readonly SharedPages[],
  requests: Iterable<Request>,
  descriptors: readonly DmaDescriptor[],
): SharingReport {
  const all = [...requests];
  return {
    inFlight: partitions.flatMap((shared) =>
      shared.pages().map((page) => ({
        hostFrame: shared.owner.memory.hostFrame(page),
        owner: shared.owner.name,
        ownerPage: page,
        slot: shared.slot(page),
        count: shared.count(page),
        requesters: requestersOf(shared.owner, page, all),
      })),
    ),
    transfers: descriptors.map(({ device, frames, buffer, direction, state, moved }) => ({
      device,
      frames: [...frames],
      buffer: [...buffer],
      direction,
      state,
      movedBytes: moved,
    })),
    faults: faultsOf(pending, descriptors),
  };
}

function requestersOf(owner: SharingPartition, page: number, requests: readonly Request[]): string[] {
  const names = requests
    .filter((request) => request.owner === owner && request.pages.includes(page))
    .map(({ requester }) => requester.name);
  return [...new Set(names)];
}

function faultsOf(pending: PendingAccesses, descriptors: readonly DmaDescriptor[]): SharingFault[] {
  const transfers = new Map<number, number>();
  for (const { frames, buffer } of descriptors)
    for (const list of [frames, buffer])
      for (const frame of list) transfers.set(frame, (transfers.get(frame) ?? 0) + 1);
  const touched = new Set([...pending.frames(), ...transfers.keys()]);
  return [...touched]
    .sort((a, b) => a - b)
    .map((hostFrame) => ({ hostFrame, count: pending.of(hostFrame), transfers: transfers.get(hostFrame) ?? 0 }))
    .filter(({ count, transfers }) => count !== transfers)
    .map((frame) => ({ kind: frame.count > frame.transfers ? "leak" : "use-after-unmap", ...frame }));
}
