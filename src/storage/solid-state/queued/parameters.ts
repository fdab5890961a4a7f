/** A solid-state device whose parts have queues. Times are microseconds, rates megabytes (10^6) a second. */
export interface QueuedDeviceParameters {
  readonly name: string;
  readonly channels: number;
  readonly chipsPerChannel: number;
  readonly diesPerChip: number;
  readonly planesPerDie: number;
  readonly blocksPerPlane: number;
  readonly pagesPerBlock: number;
  readonly pageSectors: number;
  readonly read: number;
  readonly program: number;
  readonly channelRate: number;
  /** A command and its addresses on the channel, and what passes before data comes off a chip. */
  readonly command: number;
  readonly dataOutSetup: number;
  /** Entries of the mapping that a page on the flash holds, and that the device has at hand. */
  readonly mappingPageEntries: number;
  readonly mappingCacheEntries: number;
  readonly bufferRate: number;
  readonly bufferLatency: number;
  /** Bytes of a row of the buffer's memory. */
  readonly bufferRowBytes: number;
  /** Sectors that may be on their way from the buffer to the flash: what is written beyond waits. */
  readonly mostDestaged: number;
  /** A page that was written before within so long is taken for a hot one, and kept in the buffer. */
  readonly hotFor: number;
  /** A command's way from the host and back. */
  readonly host: number;
}

/**
 * MQSim's default device, with a write cache (`ssdconfig.xml`; NV-DDR2 times from its manual's ONFI tables). An entry of the mapping takes 6
 * bytes on the flash and 9 in the cache of 2 MiB: a physical page's number of 26 bits and one bit for each of its 16 sectors, in the cache the
 * logical page's number too.
 */
export const MQSIM_QUEUED: QueuedDeviceParameters = {
  name: "MQSim's default",
  channels: 8,
  chipsPerChannel: 4,
  diesPerChip: 2,
  planesPerDie: 2,
  blocksPerPlane: 2048,
  pagesPerBlock: 256,
  pageSectors: 16,
  read: 75,
  program: 750,
  channelRate: 1000 / 3,
  command: 0.29,
  dataOutSetup: 0.3,
  mappingPageEntries: Math.floor(8192 / 6),
  mappingCacheEntries: Math.floor((2 * 2 ** 20) / 9),
  bufferRate: 200,
  bufferLatency: 0.026,
  bufferRowBytes: 8192,
  mostDestaged: 8 * 4 * 2 * 2 * 16,
  hotFor: 1e6,
  host: 1.5,
};
