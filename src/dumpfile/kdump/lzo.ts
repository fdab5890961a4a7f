/**
 * LZO1X, the compression that Red Hat's kdump takes by default (makedumpfile -l): literals and back references, no
 * entropy coding. Source: the kernel's Documentation/staging/lzo.rst, bitstream version 0. Names are that document's.
 */

/** Offset that the instruction 0001HLLL adds to its distance; a distance of just this ends the stream. */
const FAR = 16_384;
/** Distance base of the three-byte copy that may follow four or more literals. */
const THREE_BYTE_COPY = 2048;

/** What the bytes of a stream and the bytes that came out of it are, while it is unpacked. */
class LzoStream {
  readonly output: Uint8Array;
  readonly #input: Uint8Array;
  #at = 0;
  #length = 0;

  constructor(input: Uint8Array, outputBytes: number) {
    this.#input = input;
    this.output = new Uint8Array(outputBytes);
  }

  get length(): number {
    return this.#length;
  }

  byte(): number {
    if (this.#at >= this.#input.length) throw new Error("the LZO stream ends early");
    return this.#input[this.#at++]!;
  }

  /** A length of `bits` bits, or, when they are all 0, one that goes on in the following bytes. */
  extended(low: number, bits: number): number {
    if (low !== 0) return low;
    let length = 2 ** bits - 1;
    let next = this.byte();
    for (; next === 0; next = this.byte()) length += 255;
    return length + next;
  }

  literals(count: number): void {
    if (this.#at + count > this.#input.length) throw new Error("the LZO stream ends early");
    this.#room(count);
    for (let done = 0; done < count; done++) this.output[this.#length++] = this.#input[this.#at++]!;
  }

  /** Byte by byte: a reference may reach into what it is just writing. */
  copy(distance: number, count: number): void {
    if (distance > this.#length) throw new Error("an LZO reference points before the start of the page");
    this.#room(count);
    for (let done = 0; done < count; done++, this.#length++)
      this.output[this.#length] = this.output[this.#length - distance]!;
  }

  #room(count: number): void {
    if (this.#length + count > this.output.length) throw new Error("it unpacks to more than a page");
  }
}

/**
 * Unpacks one LZO1X block.
 * @throws Error when the stream is damaged or unpacks to another length than `outputBytes`
 */
export function unpackLzo(input: Uint8Array, outputBytes: number): Uint8Array {
  const stream = new LzoStream(input, outputBytes);
  /**
   * Literals that the last instruction copied: 0 to 3, or 4 for "4 or more". It decides what the instructions 0 to 15
   * mean.
   */
  let state = 0;
  let instruction = stream.byte();
  if (instruction > 17) {
    stream.literals(instruction - 17);
    state = Math.min(instruction - 17, 4);
    instruction = stream.byte();
  }
  for (; ; instruction = stream.byte()) {
    let low = instruction;
    if (instruction >= 64) {
      const length = instruction >= 128 ? 5 + ((instruction >> 5) & 3) : 3 + ((instruction >> 5) & 1);
      stream.copy((stream.byte() << 3) + ((instruction >> 2) & 7) + 1, length);
    } else if (instruction >= 32) {
      const length = 2 + stream.extended(instruction & 31, 5);
      low = stream.byte();
      stream.copy((stream.byte() << 6) + (low >> 2) + 1, length);
    } else if (instruction >= 16) {
      const length = 2 + stream.extended(instruction & 7, 3);
      low = stream.byte();
      const distance = FAR + ((instruction & 8) << 11) + (stream.byte() << 6) + (low >> 2);
      if (distance === FAR) break;
      stream.copy(distance, length);
    } else if (state === 0) {
      stream.literals(3 + stream.extended(instruction, 4));
      state = 4;
      continue;
    } else {
      const near = (stream.byte() << 2) + (instruction >> 2) + 1;
      if (state === 4) stream.copy(near + THREE_BYTE_COPY, 3);
      else stream.copy(near, 2);
    }
    state = low & 3;
    stream.literals(state);
  }
  if (stream.length !== outputBytes) throw new Error(`it unpacks to ${stream.length} bytes`);
  return stream.output;
}
