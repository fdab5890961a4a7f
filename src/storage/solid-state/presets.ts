import type { SolidStateParameters } from "./parameters.ts";

/**
 * Devices whose figures are published (storage.md, part C). Their flash is a small part of the real ones', with the same share of
 * spare, so that they come to their steady state soon; all figures are those of whole devices. How long a controller needs to move a slot
 * is to be seen with the S4500, whose 33,000 writes/s are so many fewer than its reads for that; the others have its share of a command.
 */
const SMALL = {
  pageBytes: 16_384,
  pagesPerBlock: 64,
  blocksPerPlane: 64,
  freeBlocks: 2,
  suspend: 20,
  refreshReads: Number.POSITIVE_INFINITY,
} as const;

/**
 * Intel's of 2017, 32 layers with three bits in a cell: 1536 pages in a block, which stands some 100,000 reads (an assumption). Until it
 * interrupts a program passes what the S4500's slowest reads take longer than others.
 */
const INTEL_FLASH = { ...SMALL, suspend: 190, refreshReads: 65 } as const;

/**
 * Intel S4500, SATA: 72,000 and 33,000 requests/s, 500 and 490 MB/s, 110 and 52 us at random, 36 us in sequence; 999 of 1000 one by one at
 * random take 300 and 800 us at most.
 */
export const INTEL_S4500: SolidStateParameters = {
  ...INTEL_FLASH,
  name: "Intel S4500",
  channels: 8,
  diesPerChannel: 2,
  planes: 2,
  spare: 0.215,
  read: 60,
  program: 900,
  erase: 4000,
  channelRate: 400,
  readCommand: 13.35,
  writeCommand: 13.9,
  moveCommand: 8.6,
  readLatency: 17.8,
  bufferedLatency: 14.5,
  writeLatency: 14,
  scatteredWriteLatency: 16,
  linkRate: 510,
  writeBuffer: 8 * 2 ** 20,
  depth: 32,
};

/** Intel P4500, NVMe, 2 TB: 490,000 and 38,000 requests/s, 3200 and 1050 MB/s, 85 and 20 us at random, 10 and 13 us in sequence. */
export const INTEL_P4500: SolidStateParameters = {
  ...INTEL_FLASH,
  name: "Intel P4500",
  channels: 12,
  diesPerChannel: 4,
  planes: 4,
  pagesPerBlock: 32,
  spare: 0.116,
  read: 78,
  program: 3000,
  erase: 4000,
  channelRate: 800,
  readCommand: 1.5,
  writeCommand: 1.5,
  moveCommand: 0.95,
  readLatency: 0,
  bufferedLatency: 7.3,
  writeLatency: 10.3,
  scatteredWriteLatency: 7,
  linkRate: 3300,
  writeBuffer: 16 * 2 ** 20,
  depth: 256,
};

/**
 * The P4500 of 1 and 4 TB have half and twice the dies (24, 48 and 96 of 48 GiB) on the same channels, behind the same controller and link.
 * That alone makes their reads as many as published: the dies set a limit at 1 TB, the controller at 4. What does not follow is taken
 * from the sheet: a die is programmed the more slowly the more there are, 1 TB has more to spare (it is promised 0.75 writes of
 * itself a day, 2 TB 0.5), and a random read of 4 TB takes 30 us more, which its rate of reads does not show.
 */
export const INTEL_P4500_1TB: SolidStateParameters = {
  ...INTEL_P4500,
  name: "Intel P4500, 1 TB",
  diesPerChannel: 2,
  spare: 0.152,
  program: 2620,
};
export const INTEL_P4500_4TB: SolidStateParameters = {
  ...INTEL_P4500,
  name: "Intel P4500, 4 TB",
  diesPerChannel: 8,
  spare: 0.11,
  program: 3500,
  readLatency: 29,
};

/** Samsung 960 EVO, NVMe: 14,000 and 50,000 requests/s one by one, 330,000 and 300,000 at depth 32, 3200 and 1500 MB/s. */
export const SAMSUNG_960_EVO: SolidStateParameters = {
  ...SMALL,
  name: "Samsung 960 EVO",
  channels: 8,
  diesPerChannel: 8,
  planes: 2,
  spare: 0.07,
  read: 45,
  program: 1380,
  erase: 3500,
  channelRate: 533,
  readCommand: 1.5,
  writeCommand: 3.3,
  moveCommand: 2.1,
  readLatency: 15.5,
  bufferedLatency: 8,
  writeLatency: 9,
  scatteredWriteLatency: 6.5,
  linkRate: 3230,
  writeBuffer: 64 * 2 ** 20,
  depth: 128,
};

/** Samsung 970 PRO, NVMe, 512 GB: 370,000 and 500,000 requests/s, 3500 and 2300 MB/s. */
export const SAMSUNG_970_PRO: SolidStateParameters = {
  ...SMALL,
  name: "Samsung 970 PRO",
  channels: 8,
  diesPerChannel: 8,
  planes: 2,
  spare: 0.07,
  read: 40,
  program: 905,
  erase: 3500,
  channelRate: 533,
  readCommand: 2.7,
  writeCommand: 2,
  moveCommand: 1.3,
  readLatency: 13,
  bufferedLatency: 8,
  writeLatency: 9,
  scatteredWriteLatency: 5,
  linkRate: 3520,
  writeBuffer: 64 * 2 ** 20,
  depth: 128,
};

/** MQSim's default device: 8 channels, 4 chips, 2 dies, 2 planes of 8 KiB pages (ssdconfig.xml). */
export const MQSIM_DEFAULT: SolidStateParameters = {
  name: "MQSim's default",
  channels: 8,
  diesPerChannel: 8,
  planes: 2,
  pageBytes: 8192,
  pagesPerBlock: 256,
  blocksPerPlane: 64,
  spare: 0.07,
  read: 75,
  program: 750,
  erase: 3800,
  channelRate: 333,
  suspend: 100,
  refreshReads: Number.POSITIVE_INFINITY,
  readCommand: 0.5,
  writeCommand: 0.5,
  moveCommand: 0.5,
  readLatency: 1,
  bufferedLatency: 1,
  writeLatency: 1,
  scatteredWriteLatency: 0,
  linkRate: 4000,
  writeBuffer: 256 * 2 ** 20,
  freeBlocks: 3,
  depth: 256,
};
