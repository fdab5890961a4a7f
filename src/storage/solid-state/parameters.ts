/** Bytes of what the mapping keeps track of. */
export const SLOT_BYTES = 4096;
export const SLOT_SECTORS = SLOT_BYTES / 512;

/** A solid-state device. Times are microseconds, rates megabytes (10^6) a second. */
export interface SolidStateParameters {
  readonly name: string;
  readonly channels: number;
  readonly diesPerChannel: number;
  /** Of a die, which read, program and erase at once. */
  readonly planes: number;
  readonly pageBytes: number;
  readonly pagesPerBlock: number;
  readonly blocksPerPlane: number;
  /** The share of the flash that hosts cannot address. */
  readonly spare: number;
  readonly read: number;
  readonly program: number;
  readonly erase: number;
  readonly channelRate: number;
  /** Until a read can begin in a die that programs or erases; infinite: it waits until the die is done. */
  readonly suspend: number;
  /** What the controller does for one command after the other. */
  readonly readCommand: number;
  readonly writeCommand: number;
  /** What it does, between commands, for a slot that is moved. */
  readonly moveCommand: number;
  /** What passes for a read, a read that is in the buffer already, and a write, whatever else goes on. */
  readonly readLatency: number;
  readonly bufferedLatency: number;
  readonly writeLatency: number;
  /** What passes besides for a write that follows on no other, whose part of the mapping must be fetched. */
  readonly scatteredWriteLatency: number;
  readonly linkRate: number;
  /** Bytes that are acknowledged before they are programmed. */
  readonly writeBuffer: number;
  /** Superblocks that are kept free: below, valid data is moved out of the emptiest one before anything is written. */
  readonly freeBlocks: number;
  /** Reads of a block that it stands, for each of its pages: after as many a page is written anew. Infinite: none is. */
  readonly refreshReads: number;
  readonly depth: number;
}

/** Slots of the pages that a die programs at once. */
export const stripeSlots = (device: SolidStateParameters): number => (device.planes * device.pageBytes) / SLOT_BYTES;

/** Slots of a stripe of every die, which is what collection moves at a time. */
export const rowSlots = (device: SolidStateParameters): number =>
  device.channels * device.diesPerChannel * stripeSlots(device);

export const superblockSlots = (device: SolidStateParameters): number => device.pagesPerBlock * rowSlots(device);

/** Slots that hosts can address. */
export const addressableSlots = (device: SolidStateParameters): number =>
  Math.floor(device.blocksPerPlane * superblockSlots(device) * (1 - device.spare));
