/**
 * A seeded generator (xoshiro128**, seeded through splitmix32): the only source of chance in an emulated host.
 * Two generators made of the same seed and label give the same numbers; another label gives an independent stream.
 * Source: Blackman and Vigna, "Scrambled Linear Pseudorandom Number Generators", 2018.
 */
export class Random {
  readonly #state = new Uint32Array(4);

  constructor(seed: number, label = "") {
    let mix = seed >>> 0;
    for (let i = 0; i < label.length; i++) mix = Math.imul(mix ^ label.charCodeAt(i), 0x0100_0193) >>> 0;
    for (let i = 0; i < 4; i++) {
      mix = (mix + 0x9e37_79b9) >>> 0;
      let word = mix;
      word = Math.imul(word ^ (word >>> 16), 0x21f0_aaad);
      word = Math.imul(word ^ (word >>> 15), 0x735a_2d97);
      this.#state[i] = word ^ (word >>> 15);
    }
  }

  /** An integer below 2^32. */
  word(): number {
    const s = this.#state;
    const [a, b, c, d] = [s[0]!, s[1]!, s[2]!, s[3]!];
    const mixed = Math.imul(b, 5);
    const result = Math.imul((mixed << 7) | (mixed >>> 25), 9) >>> 0;
    const shifted = c ^ a;
    const last = d ^ b;
    s[1] = b ^ shifted;
    s[0] = a ^ last;
    s[2] = shifted ^ (b << 9);
    s[3] = (last << 11) | (last >>> 21);
    return result;
  }

  /** An integer from 0 to `limit - 1`; `limit` at most 2^32. */
  below(limit: number): number {
    return Math.floor((this.word() / 0x1_0000_0000) * limit);
  }

  /** A number in [low, high). */
  between(low: number, high: number): number {
    return low + (this.word() / 0x1_0000_0000) * (high - low);
  }

  fill(bytes: Uint8Array): void {
    for (let i = 0; i < bytes.length; i++) bytes[i] = this.word() >>> 24;
  }

  /** Reorders in place (Fisher and Yates). */
  shuffle<T>(items: T[]): T[] {
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      [items[i], items[j]] = [items[j]!, items[i]!];
    }
    return items;
  }
}
