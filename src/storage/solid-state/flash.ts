import { SLOT_BYTES, type SolidStateParameters, stripeSlots } from "./parameters.ts";

/**
 * Dies and channels, each with the time from which it is free. Places are in slots; neighbours fill the planes of a die's page, then the
 * next channel's die. Times are microseconds.
 */
export class Flash {
  readonly #device: SolidStateParameters;
  readonly #dies: number;
  readonly #dieFree: Float64Array;
  /** Programs and erases of a die: until when, and what of it a read may push back. */
  readonly #writing: Float64Array;
  readonly #channelFree: Float64Array;
  /** Slots that a die programs at once. */
  readonly stripe: number;

  constructor(device: SolidStateParameters) {
    this.#device = device;
    this.#dies = device.channels * device.diesPerChannel;
    this.#dieFree = new Float64Array(this.#dies);
    this.#writing = new Float64Array(this.#dies);
    this.#channelFree = new Float64Array(device.channels);
    this.stripe = stripeSlots(device);
  }

  dieOf(place: number): number {
    return Math.floor(place / this.stripe) % this.#dies;
  }

  /** When bytes of one page are off the die and over its channel, asked for at `at`. */
  read(die: number, bytes: number, at: number): number {
    const { read, suspend, channels, channelRate } = this.#device;
    const writing = this.#writing[die]!;
    const reading = this.#dieFree[die]!;
    let begins = Math.max(at, reading);
    if (writing > begins) {
      // The die is asked to interrupt what it writes, which goes on later; for a read behind another one it is interrupted already.
      const waits = at < reading ? begins : Math.min(writing, begins + suspend);
      this.#writing[die] = waits < writing ? writing + read + (waits - begins) : writing;
      begins = waits;
    }
    const sensed = begins + read;
    this.#dieFree[die] = sensed;
    const channel = die % channels;
    const sent = Math.max(sensed, this.#channelFree[channel]!) + bytes / channelRate;
    this.#channelFree[channel] = sent;
    return sent;
  }

  /** When a stripe, all of it sent at `at` or later, is programmed. */
  program(die: number, at: number): number {
    const { program, channels, channelRate } = this.#device;
    const channel = die % channels;
    const sent = Math.max(at, this.#channelFree[channel]!) + (this.stripe * SLOT_BYTES) / channelRate;
    this.#channelFree[channel] = sent;
    return this.#write(die, sent, program);
  }

  erase(at: number): void {
    for (let die = 0; die < this.#dies; die++) this.#write(die, at, this.#device.erase);
  }

  #write(die: number, at: number, takes: number): number {
    const done = Math.max(at, this.#dieFree[die]!, this.#writing[die]!) + takes;
    this.#writing[die] = done;
    return done;
  }
}
