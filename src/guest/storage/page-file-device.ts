/** How a transfer ended, as the guest's drivers are told (ntstatus.h). */
export const NT_STATUS = {
  done: 0,
  /** STATUS_DEVICE_DATA_ERROR: the device could not read or write a sector. */
  unreadable: 0xc000_009c,
  /** STATUS_IO_TIMEOUT. */
  "timed-out": 0xc000_00b5,
  /** STATUS_IO_DEVICE_ERROR. */
  reset: 0xc000_0185,
  /** STATUS_DEVICE_NOT_CONNECTED. */
  gone: 0xc000_009d,
} as const;

/** Told when a transfer is done: its NTSTATUS, and what was read. */
export type Transferred = (status: number, bytes: Uint8Array) => void;

/** A transfer of which no interrupt tells that it is done: whoever wants to know looks again. */
export interface PolledTransfer {
  /** Its NTSTATUS; null while it is under way. */
  readonly status: number | null;
}

/** A read that nobody waits for yet. */
export interface ReadAhead {
  /** Somebody does now: it becomes as urgent as one that was asked for then. */
  wanted(): void;
}

/** The page file of a partition, on a disk that the host has. Pages are 4 KiB. What is asked for is done at some later moment of the guest's clock. */
export interface PageFileDevice {
  readonly pages: number;
  /** A thread waits for it. */
  read(page: number, done: Transferred): void;
  /** Nobody waits for it, but somebody may soon. */
  readAhead(page: number, done: Transferred): ReadAhead;
  write(page: number, bytes: Uint8Array, done: Transferred): void;
  /** Pages next to one another, in dump mode: the adapter is initialised for it, and forgets what it was given before. */
  writePolled(page: number, bytes: Uint8Array): PolledTransfer;
}
