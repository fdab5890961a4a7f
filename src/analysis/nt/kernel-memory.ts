/** Reads bytes of the dumped kernel's virtual memory: all of them, or null. */
export type ReadVirtual = (address: bigint, length: number) => Uint8Array | null;

const LONGEST_TEXT = 1024;

/** True for an address in the upper half: what a kernel pointer must be. */
export const isKernelAddress = (address: bigint): boolean => address >= 0xffff_0000_0000_0000n;

/**
 * The dumped kernel's virtual memory behind one face, whether the dump holds pieces of virtual memory or physical pages.
 * Nothing here throws: what cannot be read is null, since every pointer of a crashed machine may be garbage.
 */
export class KernelMemory {
  readonly read: ReadVirtual;

  constructor(read: ReadVirtual) {
    this.read = read;
  }

  u8(address: bigint): number | null {
    return this.read(address, 1)?.[0] ?? null;
  }

  u16(address: bigint): number | null {
    const bytes = this.read(address, 2);
    return bytes && bytes[0]! + bytes[1]! * 0x100;
  }

  u32(address: bigint): number | null {
    const bytes = this.read(address, 4);
    return bytes && viewOf(bytes).getUint32(0, true);
  }

  u64(address: bigint): bigint | null {
    const bytes = this.read(address, 8);
    return bytes && viewOf(bytes).getBigUint64(0, true);
  }

  /** A pointer into kernel space; null when it cannot be read or points elsewhere. */
  pointer(address: bigint): bigint | null {
    const value = this.u64(address);
    return value !== null && isKernelAddress(value) ? value : null;
  }

  /** ASCII text up to its NUL; null when it is empty, unreadable, endless or holds control characters. */
  asciiText(address: bigint, longest = LONGEST_TEXT): string | null {
    let found = "";
    for (let i = 0; i < longest; i++) {
      const unit = this.u8(address + BigInt(i));
      if (unit === null || unit >= 0x7f) return null;
      if (unit === 0) return found || null;
      if (unit < 0x20) return null;
      found += String.fromCharCode(unit);
    }
    return null;
  }

  /** UTF-16 text up to its NUL; null when it is empty, unreadable, endless or holds control characters. */
  wideText(address: bigint, longestUnits = LONGEST_TEXT): string | null {
    let found = "";
    for (let i = 0; i < longestUnits; i++) {
      const unit = this.u16(address + BigInt(i * 2));
      if (unit === null) return null;
      if (unit === 0) return found || null;
      if (unit < 0x20) return null;
      found += String.fromCharCode(unit);
    }
    return null;
  }

  /** The text of a UNICODE_STRING: u16 length in bytes, u16 room, 4 bytes unused, pointer. */
  unicodeString(address: bigint): string | null {
    const length = this.u16(address);
    const buffer = this.pointer(address + 8n);
    if (!length || length > LONGEST_TEXT * 2 || buffer === null) return null;
    const bytes = this.read(buffer, length & ~1);
    return bytes && Buffer.from(bytes).toString("utf16le");
  }
}

const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
