/** Priorities of a request for a file, from the most to the least urgent (IO_PRIORITY_HINT; critical is the memory manager's). */
export const FILE_PRIORITIES = ["high", "normal", "low", "very-low"] as const;

export type FilePriority = (typeof FILE_PRIORITIES)[number];

/** Where a partition has its files, on a disk that the host has. Offsets and lengths are in bytes, multiples of 4 KiB. */
export interface FileDevice {
  /** `done` hears the NTSTATUS at some later moment of the guest's clock. */
  read(offset: number, bytes: number, priority: FilePriority, done: (status: number) => void): void;
}
