import type { PositionedDevice } from "../device.ts";

/**
 * The least that an arm can move to have been, in each window of time, at the cylinders at which it was, whatever their order. Whoever goes
 * to all of them joins them to a tree, and no tree costs less than the sorted path does, for any seek curve that nowhere falls. It begins
 * where the arm was when the window did, which from amid the others makes it a bound that no order need reach.
 */
export class SweepBound {
  /** Milliseconds by distance, of which none is above that of a longer way: measured curves do fall here and there. */
  readonly #seeks: Float64Array;
  readonly #window: number;
  #cylinders: number[];
  #ends: number;
  #closed = 0;

  /** @param window milliseconds, from 0 on */
  constructor(device: PositionedDevice, window: number) {
    this.#seeks = Float64Array.from({ length: device.cylinders }, (_, distance) => device.seekTime(distance));
    for (let distance = device.cylinders - 2; distance >= 0; distance--)
      this.#seeks[distance] = Math.min(this.#seeks[distance]!, this.#seeks[distance + 1]!);
    this.#window = window;
    this.#cylinders = [device.heads.cylinder];
    this.#ends = window;
  }

  /** The arm has done something at a cylinder, in milliseconds that never go back. */
  visit(cylinder: number, at: number): void {
    if (at >= this.#ends) {
      this.#closed += this.#path();
      this.#cylinders = [this.#cylinders.at(-1)!];
      this.#ends = this.#window * (Math.floor(at / this.#window) + 1);
    }
    this.#cylinders.push(cylinder);
  }

  /** Milliseconds of all windows, the last one as far as it goes. */
  get least(): number {
    return this.#closed + this.#path();
  }

  #path(): number {
    const sorted = Int32Array.from(this.#cylinders).sort();
    let path = 0;
    for (let at = 1; at < sorted.length; at++) path += this.#seeks[sorted[at]! - sorted[at - 1]!]!;
    return path;
  }
}
