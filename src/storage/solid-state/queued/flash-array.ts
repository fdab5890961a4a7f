import type { EventQueue } from "./event-queue.ts";
import type { QueuedDeviceParameters } from "./parameters.ts";

/** Where a page lies. */
export interface PagePlace {
  readonly channel: number;
  readonly chip: number;
  readonly die: number;
  readonly plane: number;
}

/** One page's command to a chip. */
export interface Transaction {
  readonly kind: "mapping" | "read" | "program";
  readonly place: PagePlace;
  /** Number of the page in its block: planes work together on equal ones only. */
  readonly page: number;
  /** That are sent over the channel. */
  readonly sectors: number;
  /** What is to happen when it is done. */
  readonly done: () => void;
}

const SECTOR_BYTES = 512;

interface Chip {
  isIdle: boolean;
  /** Pages that were sensed and are still to be sent. */
  unsent: number;
  readonly mapping: Transaction[];
  readonly reads: Transaction[];
  readonly programs: Transaction[];
}

interface Channel {
  isBusy: boolean;
  /** The chip that is asked first. */
  turn: number;
  readonly chips: readonly Chip[];
  /** Sensed pages that wait for the channel. */
  readonly mappingOut: Transaction[];
  readonly readsOut: Transaction[];
}

/**
 * Chips on channels, each with its queues: the mapping's reads go before the hosts', reads before programs, and sensed pages before new
 * commands. A chip does one command at a time, on two planes of a die where both have the same page to do; a program is not interrupted.
 */
export class FlashArray {
  readonly #device: QueuedDeviceParameters;
  readonly #events: EventQueue;
  readonly #channels: readonly Channel[];

  constructor(device: QueuedDeviceParameters, events: EventQueue) {
    this.#device = device;
    this.#events = events;
    this.#channels = Array.from({ length: device.channels }, () => ({
      isBusy: false,
      turn: 0,
      chips: Array.from({ length: device.chipsPerChannel }, () => ({
        isIdle: true,
        unsent: 0,
        mapping: [],
        reads: [],
        programs: [],
      })),
      mappingOut: [],
      readsOut: [],
    }));
  }

  /** Where the page of a number lies: neighbours on the next channel, then the next chip, die and plane. */
  placeOf(number: number): PagePlace {
    const { channels, chipsPerChannel, diesPerChip, planesPerDie } = this.#device;
    const byChip = Math.floor(number / channels);
    const byDie = Math.floor(byChip / chipsPerChannel);
    const byPlane = Math.floor(byDie / diesPerChip);
    return {
      channel: number % channels,
      chip: byChip % chipsPerChannel,
      die: byDie % diesPerChip,
      plane: byPlane % planesPerDie,
    };
  }

  /** Puts a transaction into its chip's queue; nothing begins before `schedule`. */
  add(transaction: Transaction): void {
    const { channel, chip } = transaction.place;
    queueOf(this.#channels[channel]!.chips[chip]!, transaction.kind).push(transaction);
  }

  schedule(): void {
    for (const channel of this.#channels) this.#offer(channel);
  }

  /** Offers a channel that is free to its chips by turns. */
  #offer(channel: Channel): void {
    for (let offered = 0; offered < channel.chips.length && !channel.isBusy; offered++) {
      const chip = channel.chips[channel.turn]!;
      channel.turn = (channel.turn + 1) % channel.chips.length;
      if (!chip.isIdle) continue;
      if (chip.mapping.length > 0) this.#read(channel, chip, [chip.mapping, chip.reads]);
      else if (chip.reads.length > 0) this.#read(channel, chip, [chip.reads]);
      else if (chip.programs.length > 0) this.#program(channel, chip);
    }
  }

  #read(channel: Channel, chip: Chip, queues: readonly Transaction[][]): void {
    const together = this.#together(queues);
    const { command, read } = this.#device;
    this.#begin(channel, chip);
    this.#events.after(command, () => {
      this.#events.after(read, () => {
        chip.unsent += together.length;
        const waiting = together[0]!.kind === "mapping" ? channel.mappingOut : channel.readsOut;
        for (const transaction of together)
          if (channel.isBusy) waiting.push(transaction);
          else this.#send(channel, transaction);
        this.#offer(channel);
      });
      this.#release(channel);
    });
  }

  #program(channel: Channel, chip: Chip): void {
    const together = this.#together([chip.programs]);
    const { command, program } = this.#device;
    const sending = together.reduce((sum, { sectors }) => sum + this.#transferTime(sectors), 0);
    this.#begin(channel, chip);
    this.#events.after(command + sending, () => {
      this.#events.after(program, () => {
        for (const { done } of together) done();
        chip.isIdle = true;
        this.#offer(channel);
      });
      this.#release(channel);
    });
  }

  #send(channel: Channel, { place, sectors, done }: Transaction): void {
    channel.isBusy = true;
    this.#events.after(this.#device.dataOutSetup + this.#transferTime(sectors), () => {
      const chip = channel.chips[place.chip]!;
      done();
      chip.unsent--;
      if (chip.unsent === 0) chip.isIdle = true;
      this.#release(channel);
    });
  }

  #begin(channel: Channel, chip: Chip): void {
    chip.isIdle = false;
    channel.isBusy = true;
  }

  #release(channel: Channel): void {
    channel.isBusy = false;
    const next = channel.mappingOut.shift() ?? channel.readsOut.shift();
    if (next === undefined) this.#offer(channel);
    else this.#send(channel, next);
  }

  /** Takes the first transaction out of the queues, and those that the other planes of its die can do with it. */
  #together(queues: readonly Transaction[][]): Transaction[] {
    const first = queues[0]![0]!;
    const together: Transaction[] = [];
    for (const queue of queues)
      for (let at = 0; at < queue.length && together.length < this.#device.planesPerDie; ) {
        const candidate = queue[at]!;
        const fits =
          candidate.place.die === first.place.die &&
          (candidate === first || candidate.page === first.page) &&
          together.every(({ place }) => place.plane !== candidate.place.plane);
        if (fits) together.push(...queue.splice(at, 1));
        else at++;
      }
    return together;
  }

  #transferTime(sectors: number): number {
    return (sectors * SECTOR_BYTES) / this.#device.channelRate;
  }
}

function queueOf(chip: Chip, kind: Transaction["kind"]): Transaction[] {
  return kind === "mapping" ? chip.mapping : kind === "read" ? chip.reads : chip.programs;
}
