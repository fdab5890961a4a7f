/**
 * Judging a word on the stack by the code it points at: a return address follows a call, the address of a function begins one.
 * Source: Intel SDM volume 2, CALL (E8, FF /2); Microsoft, "x64 prolog".
 */

/** Whether `before` ends with a call instruction. Fewer than 7 bytes show only the shorter forms. */
export function followsCall(before: Uint8Array): boolean {
  const end = before.length;
  if (end >= 5 && before[end - 5] === 0xe8) return true;
  for (let length = 2; length <= 7 && length <= end; length++)
    if (before[end - length] === 0xff && lengthOfIndirectCall(before, end - length + 1) === length) return true;
  return false;
}

/** Length of `FF /2` whose operand byte stands at `at`, 0 when it is another instruction. */
function lengthOfIndirectCall(code: Uint8Array, at: number): number {
  const operand = code[at]!;
  const mode = operand >> 6;
  const base = operand & 7;
  if (((operand >> 3) & 7) !== 2) return 0;
  if (mode === 3) return 2;
  const scaled = base === 4;
  const scaledBase = scaled ? (code[at + 1] ?? 0) & 7 : base;
  const displacement = mode === 1 ? 1 : mode === 2 || scaledBase === 5 ? 4 : 0;
  return 2 + (scaled ? 1 : 0) + displacement;
}

// How compiled functions begin: saves to the home space, pushes, mov rax/r11/rbp from rsp, sub rsp.
const PROLOGS: readonly (readonly number[])[] = [
  [0x48, 0x89, 0x5c, 0x24],
  [0x48, 0x89, 0x4c, 0x24],
  [0x48, 0x89, 0x54, 0x24],
  [0x48, 0x89, 0x6c, 0x24],
  [0x48, 0x89, 0x74, 0x24],
  [0x48, 0x89, 0x7c, 0x24],
  [0x4c, 0x89, 0x44, 0x24],
  [0x4c, 0x89, 0x4c, 0x24],
  [0x48, 0x8b, 0xc4],
  [0x4c, 0x8b, 0xdc],
  [0x48, 0x83, 0xec],
  [0x48, 0x81, 0xec],
  [0x40, 0x53],
  [0x40, 0x55],
  [0x40, 0x56],
  [0x40, 0x57],
  [0x41, 0x54],
  [0x41, 0x56],
  [0x41, 0x57],
];

/** Whether a function begins at `address`, to judge by its first bytes; compilers align functions to 16. */
export function isPrologStart(code: Uint8Array, address: bigint): boolean {
  return address % 16n === 0n && PROLOGS.some((prolog) => prolog.every((byte, i) => code[i] === byte));
}
