/** The letter of each taint bit, from bit 0. Source: the kernel's admin-guide, tainted-kernels. */
const LETTERS = "PFSRMBUDAWCIOELKXTNJ";

/** The letters of the bits that are set: `["D", "O", "E"]` for 0x3080. */
export function taintLetters(mask: bigint): string[] {
  return [...LETTERS].filter((_, bit) => (mask >> BigInt(bit)) & 1n);
}
