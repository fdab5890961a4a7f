const MASK_64 = 0xffff_ffff_ffff_ffffn;

/** `0x…` in lower case, without padding; negative bigints are taken modulo 2^64. */
export function hex(value: bigint | number): string {
  return `0x${(typeof value === "bigint" ? value & MASK_64 : value).toString(16)}`;
}

/** `0x…` back to a bigint; null where the text is not one. */
export function parseHex(text: string): bigint | null {
  return /^0x[0-9a-f]{1,16}$/i.test(text) ? BigInt(text) : null;
}

/** A 64-bit address from its two halves, as a walker on numbers hands them around. */
export function joinAddress(high: number, low: number): bigint {
  return (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
}

/** Sign-extends a 48-bit (4-level) or 57-bit (5-level) linear address to its canonical 64-bit form. */
export function canonical(address: bigint, bits: 48 | 57 = 48): bigint {
  return BigInt.asUintN(64, BigInt.asIntN(bits, address));
}
