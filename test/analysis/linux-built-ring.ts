import { VmcoreInfo } from "../../src/analysis/linux/vmcoreinfo.ts";
import { BuiltMemory, IMAGE } from "./linux-built-kernel.ts";

const ID_MASK = (1n << 62n) - 1n;
export const STATE = { reserved: 0n, committed: 1n, finalized: 2n, reusable: 3n } as const;

/** Where a kernel's ring may lie; the offsets are those of 6.1 and 6.12 (vmcoreinfo-keys.txt). */
const AT = {
  pointer: IMAGE + 0x100n,
  prb: IMAGE + 0x200n,
  descs: IMAGE + 0x1000n,
  infos: IMAGE + 0x4000n,
  text: IMAGE + 0x8000n,
};
const DESC = 24n;
const INFO = 88n;

const KEYS: Readonly<Record<string, number>> = {
  "OFFSET(printk_ringbuffer.desc_ring)": 0,
  "OFFSET(printk_ringbuffer.text_data_ring)": 48,
  "OFFSET(prb_desc_ring.count_bits)": 0,
  "OFFSET(prb_desc_ring.descs)": 8,
  "OFFSET(prb_desc_ring.infos)": 16,
  "OFFSET(prb_desc_ring.head_id)": 24,
  "OFFSET(prb_desc_ring.tail_id)": 32,
  "SIZE(prb_desc)": 24,
  "OFFSET(prb_desc.state_var)": 0,
  "OFFSET(prb_desc.text_blk_lpos)": 8,
  "OFFSET(prb_data_blk_lpos.begin)": 0,
  "OFFSET(prb_data_blk_lpos.next)": 8,
  "SIZE(printk_info)": 88,
  "OFFSET(printk_info.seq)": 0,
  "OFFSET(printk_info.ts_nsec)": 8,
  "OFFSET(printk_info.text_len)": 16,
  "OFFSET(printk_info.caller_id)": 20,
  "OFFSET(prb_data_ring.size_bits)": 0,
  "OFFSET(prb_data_ring.data)": 8,
};

export const ringInfo = (changes: Readonly<Record<string, string>> = {}) =>
  new VmcoreInfo(
    Object.entries({ ...KEYS, "SYMBOL(prb)": AT.pointer.toString(16), ...changes })
      .map(([key, value]) => `${key}=${value}\n`)
      .join(""),
  );

/**
 * A printk ring as the kernel's writers leave it: descriptors taken one by one, text blocks that wrap whole, the oldest given
 * up when either ring is full. It is the writer's side, so that the reader is tested against what it does not share code with.
 */
export class BuiltRing {
  readonly memory = new BuiltMemory(16);
  readonly at = AT;
  readonly #countBits: bigint;
  readonly #sizeBits: bigint;
  /** As the kernel starts: ids count up from just below a wrap of the descriptor ring. */
  #head: bigint;
  #tail: bigint;
  #textHead = 0n;
  #textTail = 0n;
  #sequence = 0n;
  readonly #kept: { id: bigint; begin: bigint; end: bigint; text: string }[] = [];

  readonly #exactFits: boolean;

  /**
   * @param exactFits whether a block may end exactly at the ring's end, as in newer kernels; up to 6.12 it starts again at
   * the front all the same
   */
  constructor(countBits: number, sizeBits: number, exactFits = true) {
    this.#exactFits = exactFits;
    this.#countBits = BigInt(countBits);
    this.#sizeBits = BigInt(sizeBits);
    this.#head = BigInt.asUintN(62, -(1n << this.#countBits) - 1n);
    this.#tail = this.#head;
    const { memory } = this;
    memory.u64(AT.pointer, AT.prb);
    memory.u32(AT.prb, countBits);
    memory.u64(AT.prb + 8n, AT.descs);
    memory.u64(AT.prb + 16n, AT.infos);
    memory.u32(AT.prb + 48n, sizeBits);
    memory.u64(AT.prb + 56n, AT.text);
    this.#state(this.#head, STATE.reusable);
    this.#publish();
  }

  /** Texts of the records that a reader can still find, oldest first. */
  get texts(): string[] {
    return this.#kept.map(({ text }) => text);
  }

  get ids(): bigint[] {
    return this.#kept.map(({ id }) => id);
  }

  write(text: string, state: bigint = STATE.finalized, callerId = 1): bigint {
    const id = (this.#head + 1n) & ID_MASK;
    const bytes = Buffer.from(text);
    const size = (BigInt(bytes.length) + 8n + 7n) & ~7n;
    const ring = 1n << this.#sizeBits;
    let begin = this.#textHead;
    let end = begin + size;
    // A block never crosses the end of the ring: it starts again at the front, and begin stays where the gap began.
    const wraps = text !== "" && begin >> this.#sizeBits !== (end - (this.#exactFits ? 1n : 0n)) >> this.#sizeBits;
    if (wraps) end = ((begin >> this.#sizeBits) + 1n) * ring + size;
    while (this.#kept.length > 0 && (end - this.#textTail > ring || this.#isFull(id))) this.#giveUpOldest();
    const blockAt = AT.text + (wraps ? 0n : begin % ring);
    if (text === "") begin = end = 3n;
    else {
      this.memory.u64(blockAt, id);
      this.memory.put(blockAt + 8n, bytes);
      this.#textHead = end;
    }
    const descriptor = this.#descriptor(id);
    this.memory.u64(descriptor + 8n, begin);
    this.memory.u64(descriptor + 16n, end);
    const info = this.infoOf(id);
    this.memory.u64(info, this.#sequence);
    this.memory.u64(info + 8n, this.#sequence * 1_000_001n);
    this.memory.u16(info + 16n, bytes.length);
    this.memory.u16(info + 18n, (6 << 13) | 0);
    this.memory.u32(info + 20n, callerId);
    this.#sequence++;
    this.#head = id;
    this.#state(id, state);
    this.#kept.push({ id, begin, end, text });
    this.#publish();
    return id;
  }

  infoOf(id: bigint): bigint {
    return AT.infos + (id & ((1n << this.#countBits) - 1n)) * INFO;
  }

  descriptorOf(id: bigint): bigint {
    return this.#descriptor(id);
  }

  setHead(id: bigint) {
    this.memory.u64(AT.prb + 24n, id);
  }

  #isFull(id: bigint): boolean {
    return BigInt.asUintN(62, id - this.#tail) >= 1n << this.#countBits;
  }

  #giveUpOldest() {
    const [oldest] = this.#kept.splice(0, 1);
    this.#state(oldest!.id, STATE.reusable);
    const next = this.#kept.find(({ begin }) => begin !== 3n);
    this.#textTail = next ? next.begin : this.#textHead;
    // The kernel keeps a record that has just lost its text at the tail until its descriptor is needed.
    if (this.#isFull((this.#head + 1n) & ID_MASK)) this.#tail = this.#kept[0]?.id ?? this.#head;
  }

  #descriptor(id: bigint): bigint {
    return AT.descs + (id & ((1n << this.#countBits) - 1n)) * DESC;
  }

  #state(id: bigint, state: bigint) {
    this.memory.u64(this.#descriptor(id), (state << 62n) | id);
  }

  #publish() {
    this.setHead(this.#head);
    this.memory.u64(AT.prb + 32n, this.#tail);
  }
}
