import type { Field, Layout } from "../../binary/index.ts";
import { listEntry64, unicodeString64 } from "../../dumpfile/index.ts";
import type { VirtualProcessor } from "../../hypervisor/index.ts";

// biome-ignore lint/suspicious/noExplicitAny: fields of any value type, as layouts have them
type Fields = Readonly<Record<string, Field<any>>>;
type Values<F extends Fields> = { [K in keyof F]?: F[K] extends Field<infer T> ? T : never };

/**
 * The kernel's structures in its own virtual memory, read and written by the processor that executes at the moment,
 * through the page tables in force.
 */
export class KernelMemory {
  /** The processor that executes. */
  processor: VirtualProcessor;

  constructor(processor: VirtualProcessor) {
    this.processor = processor;
  }

  /** Writes the fields named and leaves every other byte of the structure as it is. */
  put<F extends Fields>(structure: Layout<F>, address: bigint, values: Values<F>): void {
    for (const name in values) {
      const field = structure.fields[name]!;
      this.#putField(address + BigInt(field.offset), field, values[name]);
    }
  }

  #putField(address: bigint, field: Fields[string], value: unknown): void {
    if (typeof value === "bigint") this.processor.writeU64(address, value);
    else if (typeof value === "number" && field.bytes === 8) this.processor.writeU64(address, BigInt(value));
    else if (typeof value === "number" && field.bytes === 4) this.processor.writeU32(address, value);
    else if (typeof value === "number" && field.bytes === 2) this.processor.writeU16(address, value);
    else {
      const bytes = new Uint8Array(field.bytes);
      field.set(new DataView(bytes.buffer), 0, value);
      this.processor.write(address, bytes);
    }
  }

  initializeList(head: bigint): void {
    this.put(listEntry64, head, { flink: head, blink: head });
  }

  insertTail(head: bigint, entry: bigint): void {
    const last = this.processor.readU64(head + 8n);
    this.put(listEntry64, entry, { flink: head, blink: last });
    this.processor.writeU64(last, entry);
    this.processor.writeU64(head + 8n, entry);
  }

  insertHead(head: bigint, entry: bigint): void {
    const first = this.processor.readU64(head);
    this.put(listEntry64, entry, { flink: first, blink: head });
    this.processor.writeU64(first + 8n, entry);
    this.processor.writeU64(head, entry);
  }

  removeEntry(entry: bigint): void {
    const next = this.processor.readU64(entry);
    const before = this.processor.readU64(entry + 8n);
    this.processor.writeU64(before, next);
    this.processor.writeU64(next + 8n, before);
  }

  /** Writes the text at `buffer` as UTF-16 with a NUL, and the UNICODE_STRING that names it at `address`. */
  putUnicodeString(address: bigint, buffer: bigint, text: string): void {
    this.processor.write(buffer, utf16(text));
    this.put(unicodeString64, address, {
      length: text.length * 2,
      maximumLength: text.length * 2 + 2,
      buffer,
    });
  }
}

/** UTF-16, little-endian, ended by a NUL. */
export function utf16(text: string): Uint8Array {
  return Buffer.from(`${text}\0`, "utf16le");
}
