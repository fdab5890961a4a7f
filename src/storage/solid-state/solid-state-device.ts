import type { BlockDevice } from "../device.ts";
import type { BlockRequest, Completion } from "../request.ts";
import { CompletionQueue } from "./completion-queue.ts";
import { Flash } from "./flash.ts";
import { Mapping } from "./mapping.ts";
import { SLOT_BYTES, SLOT_SECTORS, type SolidStateParameters } from "./parameters.ts";

const MICROSECONDS = 1000;
/** Stripes that are read ahead of a sequential reader. */
const AHEAD = 64;

/**
 * A solid-state device: commands pass its controller one after the other, reads go to the dies, writes to a buffer that is
 * programmed behind the host's back, what the log leaves behind is collected, and what has been read often is refreshed. What a command
 * takes is known when it comes, since every part of the device but the link does things in the order in which it is asked.
 */
export class SolidStateDevice implements BlockDevice {
  readonly sectors: number;
  readonly depth: number;
  readonly mapping: Mapping;
  readonly #device: SolidStateParameters;
  readonly #flash: Flash;
  readonly #completions = new CompletionQueue();
  /** Microseconds from which the controller and the link are free. */
  #controllerFree = 0;
  #linkFree = 0;
  /** When what is buffered has been programmed, by slots in order of their coming. */
  readonly #buffered: Float64Array;
  #bufferAt = 0;
  /** The stripe being filled: its slots, and when the last of them came. */
  #filled = 0;
  #filledAt = 0;
  /** A sequential reader: where it is, and when the stripes ahead of it are in the buffer. */
  #readerAt = -1;
  #writerAt = -1;
  #aheadTo = 0;
  readonly #ahead = new Float64Array(AHEAD);
  /** The stripe whose slots are being moved, and when it is off the flash. */
  #moving = -1;
  #movingOff = 0;
  /** Reads of the flash that still go before a stripe of it is refreshed. */
  #readsLeft: number;
  readonly #readsPerStripe: number;
  #now = 0;

  constructor(device: SolidStateParameters) {
    this.#device = device;
    this.mapping = new Mapping(device);
    this.#flash = new Flash(device);
    this.sectors = this.mapping.slots * SLOT_SECTORS;
    this.depth = device.depth;
    this.#readsPerStripe = device.planes * device.refreshReads;
    this.#readsLeft = this.#readsPerStripe;
    this.#buffered = new Float64Array(Math.max(1, Math.floor(device.writeBuffer / SLOT_BYTES)));
  }

  get pending(): number {
    return this.#completions.size;
  }

  get next(): number {
    return this.#completions.next;
  }

  submit(request: BlockRequest, now: number): void {
    this.#now = now * MICROSECONDS;
    const done = request.write ? this.#write(request) : this.#read(request);
    this.#completions.add(request, done / MICROSECONDS);
  }

  complete(): Completion {
    return this.#completions.take();
  }

  #command(takes: number): number {
    this.#controllerFree = Math.max(this.#controllerFree, this.#now) + takes;
    return this.#controllerFree;
  }

  /** When bytes that are ready at `at` have passed the link. What is ready late holds nobody up that was asked for after it. */
  #transfer(bytes: number, at: number): number {
    const takes = bytes / this.#device.linkRate;
    this.#linkFree = Math.max(this.#linkFree, this.#now) + takes;
    return Math.max(this.#linkFree, at + takes);
  }

  #read({ sector, sectors }: BlockRequest): number {
    const { readCommand, readLatency, bufferedLatency } = this.#device;
    const commanded = this.#command(readCommand);
    const first = Math.floor(sector / SLOT_SECTORS);
    const last = Math.floor((sector + sectors - 1) / SLOT_SECTORS);
    const isSequential = sector === this.#readerAt;
    this.#readerAt = sector + sectors;
    const { stripe } = this.#flash;
    let ready = commanded;
    let isBuffered = isSequential;
    for (let slot = first; slot <= last; ) {
      const group = Math.floor(slot / stripe);
      const end = Math.min(last + 1, (group + 1) * stripe);
      if (isSequential && group < this.#aheadTo) ready = Math.max(ready, this.#ahead[group % AHEAD]!);
      else {
        isBuffered = false;
        ready = Math.max(ready, this.#readStripe(slot, end, commanded));
      }
      slot = end;
    }
    if (isSequential) this.#readAhead(Math.floor(last / stripe), commanded);
    else this.#aheadTo = 0;
    if (this.#readsLeft <= 0) {
      this.#readsLeft = this.#readsPerStripe;
      this.mapping.refresh(this.#onMove, this.#onErase);
    }
    return this.#transfer(sectors * 512, ready + (isBuffered ? bufferedLatency : readLatency));
  }

  /** When the slots from `from` to before `to`, neighbours in their addresses, are off the flash. */
  #readStripe(from: number, to: number, at: number): number {
    let ready = at;
    let slot = from;
    while (slot < to) {
      const place = this.mapping.placeOf(slot);
      let count = 1;
      // What was written together lies together.
      while (slot + count < to && place >= 0 && this.mapping.placeOf(slot + count) === place + count) count++;
      if (place >= 0) {
        ready = Math.max(ready, this.#flash.read(this.#flash.dieOf(place), count * SLOT_BYTES, at));
        this.#readsLeft--;
      }
      slot += count;
    }
    return ready;
  }

  #readAhead(group: number, at: number): void {
    const { stripe } = this.#flash;
    const groups = Math.floor(this.mapping.slots / stripe);
    const from = Math.max(this.#aheadTo, group + 1);
    const to = Math.min(groups, group + AHEAD);
    for (let ahead = from; ahead < to; ahead++)
      this.#ahead[ahead % AHEAD] = this.#readStripe(ahead * stripe, (ahead + 1) * stripe, at);
    this.#aheadTo = Math.max(this.#aheadTo, to);
  }

  #write({ sector, sectors }: BlockRequest): number {
    const commanded = this.#command(this.#device.writeCommand);
    const received = this.#transfer(sectors * 512, commanded);
    const first = Math.floor(sector / SLOT_SECTORS);
    const last = Math.floor((sector + sectors - 1) / SLOT_SECTORS);
    let accepted = received;
    for (let slot = first; slot <= last; slot++) {
      // There is room when what came a buffer's length earlier has been programmed.
      accepted = Math.max(accepted, this.#buffered[this.#bufferAt]!);
      const place = this.mapping.write(slot, this.#onMove, this.#onErase);
      this.#appended(place, accepted, true);
    }
    const isScattered = sector !== this.#writerAt;
    this.#writerAt = sector + sectors;
    return accepted + this.#device.writeLatency + (isScattered ? this.#device.scatteredWriteLatency : 0);
  }

  readonly #onMove = (from: number, to: number): void => {
    const { stripe } = this.#flash;
    const commanded = this.#command(this.#device.moveCommand);
    const group = Math.floor(from / stripe);
    if (group !== this.#moving) {
      this.#moving = group;
      this.#movingOff = this.#flash.read(this.#flash.dieOf(from), stripe * SLOT_BYTES, commanded);
    }
    this.#appended(to, Math.max(commanded, this.#movingOff), false);
  };

  readonly #onErase = (): void => this.#flash.erase(this.#controllerFree);

  /** A slot has come to the end of the log; a stripe that is full is programmed. */
  #appended(place: number, at: number, isHost: boolean): void {
    this.#filledAt = Math.max(this.#filledAt, at);
    if (isHost) {
      this.#buffered[this.#bufferAt] = this.#filledAt;
      this.#bufferAt = (this.#bufferAt + 1) % this.#buffered.length;
    }
    this.#filled++;
    if ((place + 1) % this.#flash.stripe !== 0) return;
    const programmed = this.#flash.program(this.#flash.dieOf(place), this.#filledAt);
    const length = this.#buffered.length;
    for (let back = 1; back <= Math.min(this.#filled, length); back++)
      this.#buffered[(this.#bufferAt - back + length) % length] = Math.max(
        programmed,
        this.#buffered[(this.#bufferAt - back + length) % length]!,
      );
    this.#filled = 0;
    this.#filledAt = 0;
  }
}
