/** Bytes of a sector, the unit of addresses and lengths here. */
export const SECTOR_BYTES = 512;

/** Classes of aperiodic requests, from the most to the least urgent (systems.md 5.2; names of US7206866, claims 8 and 9). */
export const REQUEST_CLASSES = ["critical", "high", "interactive", "normal", "background", "low", "idle"] as const;

export type RequestClass = (typeof REQUEST_CLASSES)[number];

/** What somebody wants of a device. Times are in milliseconds of the simulation's clock. */
export interface BlockRequest {
  /** Given in order of arrival: of two that are equal in all else, the lower one goes first. */
  readonly id: number;
  /** First sector. */
  readonly sector: number;
  /** Sectors; 0, and no parts, only for a disk with an arm, which moves there and no more (as SEEK(10) of SCSI-2 has it). */
  readonly sectors: number;
  readonly write: boolean;
  readonly arrival: number;
  /** Who waits: a stream, a guest, a flow. Schedulers that share a device by owner go by it. */
  readonly owner: number;
  /** Of an aperiodic request, when it arrives. It may rise while the request waits (`ContinuousMedia.raise`). */
  readonly class: RequestClass;
  /** Of a periodic request: when it has to be complete. Infinity: aperiodic. */
  readonly deadline: number;
  /** What it is made of, in order of sectors, where a scheduler has put requests that follow one another on the medium into one. */
  readonly parts?: readonly BlockRequest[];
}

/** How a request ended. What a guest sees as NTSTATUS is its own matter. */
export type RequestStatus = "done" | "unreadable" | "timed-out" | "reset" | "gone";

export interface Completion {
  readonly request: BlockRequest;
  readonly at: number;
  readonly status: RequestStatus;
  /** Sectors that were transferred: fewer than asked for where the request failed half-way (a torn write). */
  readonly transferred: number;
}
