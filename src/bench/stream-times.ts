import { createEngine, type EngineKind, MISSED, type TranslationEngine } from "../hypervisor/index.ts";
import { ACCESS_WRITE } from "../paging/index.ts";
import { rawRead } from "./access-times.ts";
import { type AddressStream, type StreamGuest, streamGuest } from "./address-stream.ts";
import { BLOCK, type Block, nanoseconds } from "./measure.ts";
import { longMode, PAGE } from "./paged-guest.ts";

// A constant of this file alone, which V8 folds.
const NOT_AT_HAND = MISSED;
const IN_PAGE = 0xfff;

/**
 * Nanoseconds an access of a stream. Stores are translated as writes, but 8 bytes are loaded for either kind: so a raw access and
 * one through an engine differ by the translation alone. In runs, a block's loads go first and then its stores.
 */
export interface StreamTimes {
  readonly raw: number;
  readonly oneByOne: number;
  readonly inRuns: number;
}

/** Measures one engine on one stream, whose pages it has all touched before. */
export function streamTimes(kind: EngineKind, stream: AddressStream): StreamTimes {
  const blocks = wholeBlocks(stream);
  const guest = streamGuest(blocks, "touched");
  const { memory, root, wordIndexes } = guest;
  for (const word of wordIndexes)
    if (memory.words[word] === 0) memory.words.fill(1, firstOf(word), firstOf(word) + PAGE / 4);
  const state = longMode(root);
  const engine = createEngine(kind, { memory, state });
  engine.controlChanged({ ...state, cr3: 0 }, false);
  const accesses = Int32Array.from(blocks.stores, (store) => (store === 1 ? ACCESS_WRITE : 0));
  for (let index = 0; index < accesses.length; index++)
    if (engine.translate(0, blocks.lows[index]!, accesses[index]!) >>> 2 !== wordIndexes[index])
      throw new Error(`${kind} went wrong at access ${index} of ${stream.name}`);
  const times = (block: Block) => nanoseconds(block, accesses.length);
  return {
    raw: times(rawRead(guest)),
    oneByOne: times(oneByOne(engine, guest, blocks.lows, accesses)),
    inRuns: times(inRuns(engine, guest, blocks)),
  };
}

/** The last block filled up with what the stream begins with: whole blocks are measured, and all of the stream. */
function wholeBlocks({ name, lows, stores }: AddressStream): AddressStream {
  const length = Math.ceil(lows.length / BLOCK) * BLOCK;
  return {
    name,
    lows: Int32Array.from({ length }, (_, index) => lows[index % lows.length]!),
    stores: Uint8Array.from({ length }, (_, index) => stores[index % stores.length]!),
  };
}

function firstOf(word: number): number {
  return word & -(PAGE / 4);
}

/** Hits in a loop that calls nothing; outside it what is not at hand. */
function oneByOne(engine: TranslationEngine, { memory }: StreamGuest, lows: Int32Array, accesses: Int32Array): Block {
  const { words } = memory;
  const total = new Int32Array(1);
  const hits = (from: number, end: number) => {
    let sum = 0;
    let index = from | 0;
    for (; index < end; index = (index + 1) | 0) {
      const low = lows[index]!;
      const page = engine.hit(0, low, accesses[index]!);
      if ((page & NOT_AT_HAND) !== 0) break;
      const at = (page | (low & IN_PAGE)) >>> 2;
      sum ^= words[at]! ^ words[at + 1]!;
    }
    total[0]! ^= sum;
    return index;
  };
  return (from) => {
    const end = (from + BLOCK) | 0;
    for (let index = hits(from, end); index < end; index = hits(index + 1, end)) {
      const at = engine.translate(0, lows[index]!, accesses[index]!) >>> 2;
      total[0]! ^= words[at]! ^ words[at + 1]!;
    }
    return total[0]!;
  };
}

function inRuns(engine: TranslationEngine, { memory }: StreamGuest, { lows, stores }: AddressStream): Block {
  const { words } = memory;
  const blocks = lows.length / BLOCK;
  const sorted = new Int32Array(lows.length);
  const loads = new Int32Array(blocks);
  for (let block = 0; block < blocks; block++) {
    const numbers = Array.from({ length: BLOCK }, (_, index) => block * BLOCK + index);
    const first = numbers.filter((number) => stores[number] === 0);
    const then = numbers.filter((number) => stores[number] !== 0);
    sorted.set(
      Int32Array.from([...first, ...then], (number) => lows[number]!),
      block * BLOCK,
    );
    loads[block] = first.length;
  }
  const loaded = new Int32Array(BLOCK);
  const stored = new Int32Array(BLOCK);
  return (from) => {
    const count = loads[(from / BLOCK) | 0]!;
    engine.translateRun(0, sorted, from, count, 0, loaded);
    engine.translateRun(0, sorted, from + count, BLOCK - count, ACCESS_WRITE, stored);
    return sumOf(words, loaded, count) ^ sumOf(words, stored, BLOCK - count);
  };
}

/** By twos, as in access-times.ts; the last of an odd count by itself. */
function sumOf(words: Int32Array, addresses: Int32Array, count: number): number {
  const pairs = count & ~1;
  let sum = 0;
  for (let index = 0; index < pairs; index = (index + 2) | 0) {
    const at = addresses[index]! >>> 2;
    const next = addresses[(index + 1) | 0]! >>> 2;
    sum ^= words[at]! ^ words[at + 1]! ^ words[next]! ^ words[next + 1]!;
  }
  if (pairs === count) return sum;
  const at = addresses[pairs]! >>> 2;
  return sum ^ words[at]! ^ words[at + 1]!;
}
