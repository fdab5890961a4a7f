/**
 * What a function does on its way out, x64: where the stack pointer goes back to, what is popped.
 *
 * The calling convention leaves few forms ("x64 exception handling", section "Epilog code"): `add rsp, constant` or
 * `lea rsp, constant[frame register]`, pops of general registers, then a return or a jump out of the function. Compilers
 * also write `lea r11, constant[rsp]` … `mov rsp, r11` in place of the first.
 */
export interface Epilog {
  /** The register that the stack pointer is set from: 4 (rsp itself) or the frame register. */
  readonly from: number;
  /** Bytes added to it. */
  readonly add: number;
  /** Registers popped, in order, as UNWIND_REGISTERS numbers them. */
  readonly pops: readonly number[];
}

/** Whether a jump to `target`, in bytes relative to the code handed in, leaves the function. */
export type JumpLeaves = (target: number) => boolean;

const RSP = 4;
const MOST_POPS = 8;

/**
 * The epilog that starts with the first byte of `code`, or null when that is some other code.
 * @param frameRegister of the function, null where it has none
 */
export function readEpilog(code: Uint8Array, frameRegister: number | null, jumpLeaves: JumpLeaves): Epilog | null {
  const release = readRelease(code, 0);
  if (release && release.from !== RSP && release.from !== frameRegister) return null;
  const exit = readExit(code, release?.length ?? 0, jumpLeaves);
  return exit && { from: release?.from ?? RSP, add: release?.add ?? 0, pops: exit.pops };
}

/**
 * The first epilog that can be made out further on in the code of a function; null when its code ends before one.
 * Only for code that has run its prolog and whose function table is missing: every exit of a function undoes the same frame.
 */
export function findEpilog(code: Uint8Array): Epilog | null {
  let throughR11: number | null = null;
  for (let at = 0; at + 1 < code.length; at++) {
    if (code[at] === 0xcc && code[at + 1] === 0xcc) return null; // the padding behind the function
    throughR11 = readR11(code, at) ?? throughR11;
    const release = readRelease(code, at) ?? (throughR11 !== null && returnsToR11(code, at, throughR11));
    const exit = release && readExit(code, at + release.length, null);
    if (release && exit) return { from: release.from, add: release.add, pops: exit.pops };
  }
  return null;
}

interface Release {
  readonly length: number;
  readonly from: number;
  readonly add: number;
}

/** `add rsp, imm8/imm32` or `lea rsp, disp8/disp32[register]`. */
function readRelease(code: Uint8Array, at: number): Release | null {
  const rex = code[at]!;
  if (rex === 0x48 && code[at + 1] === 0x83 && code[at + 2] === 0xc4 && at + 4 <= code.length)
    return released(4, RSP, byteAt(code, at + 3));
  if (rex === 0x48 && code[at + 1] === 0x81 && code[at + 2] === 0xc4 && at + 7 <= code.length)
    return released(7, RSP, wordAt(code, at + 3));
  if ((rex & 0xfe) !== 0x48 || code[at + 1] !== 0x8d) return null;
  const operand = code[at + 2] ?? 0;
  if (((operand >> 3) & 7) !== RSP) return null;
  const register = (operand & 7) | (rex & 1 ? 8 : 0);
  const scaled = (operand & 7) === RSP; // rsp and r12 as a base take one more byte
  if (scaled && code[at + 3] !== 0x24) return null;
  const constant = at + (scaled ? 4 : 3);
  if (operand >> 6 === 1 && constant < code.length)
    return { length: constant + 1 - at, from: register, add: byteAt(code, constant) };
  if (operand >> 6 === 2 && constant + 4 <= code.length)
    return { length: constant + 4 - at, from: register, add: wordAt(code, constant) };
  return null;
}

const released = (length: number, from: number, add: number): Release | null =>
  add > 0 && add % 8 === 0 ? { length, from, add } : null;

/** The constant of `lea r11, disp8/disp32[rsp]`. */
function readR11(code: Uint8Array, at: number): number | null {
  if (code[at] !== 0x4c || code[at + 1] !== 0x8d || code[at + 3] !== 0x24) return null;
  if (code[at + 2] === 0x5c && at + 5 <= code.length) return byteAt(code, at + 4);
  return code[at + 2] === 0x9c && at + 8 <= code.length ? wordAt(code, at + 4) : null;
}

/** `mov rsp, r11`, in either of its two encodings. */
function returnsToR11(code: Uint8Array, at: number, add: number): Release | null {
  const load = code[at] === 0x49 && code[at + 1] === 0x8b && code[at + 2] === 0xe3;
  const store = code[at] === 0x4c && code[at + 1] === 0x89 && code[at + 2] === 0xdc;
  return load || store ? released(3, RSP, add) : null;
}

/** Pops, then a return or a jump that leaves the function. Without a judge of its target a near jump is no proof of an exit. */
function readExit(code: Uint8Array, start: number, jumpLeaves: JumpLeaves | null): { pops: number[] } | null {
  const pops: number[] = [];
  let at = start;
  while (pops.length <= MOST_POPS) {
    const extended = code[at] === 0x41;
    const operation = code[at + (extended ? 1 : 0)] ?? 0;
    if (operation >> 3 !== 0x58 >> 3) break;
    pops.push((operation & 7) | (extended ? 8 : 0));
    at += extended ? 2 : 1;
  }
  if (pops.length > MOST_POPS || pops.includes(RSP)) return null;
  return leaves(code, at, jumpLeaves) ? { pops } : null;
}

function leaves(code: Uint8Array, at: number, jumpLeaves: JumpLeaves | null): boolean {
  const [a, b, c] = [code[at], code[at + 1], code[at + 2]];
  if (a === 0xc3 || a === 0xc2 || (a === 0xf3 && b === 0xc3)) return true;
  if (a === 0xff && b === 0x25) return true; // jmp [rip + …]
  if (a === 0x48 && b === 0xff && c !== undefined && ((c >> 3) & 7) === 4) return true; // rex.w jmp: a tail call's form
  const short = a === 0xeb && at + 2 <= code.length;
  const near = a === 0xe9 && at + 5 <= code.length;
  if (!jumpLeaves || (!short && !near)) return false;
  const target = short ? at + 2 + byteAt(code, at + 1) : at + 5 + wordAt(code, at + 1);
  return jumpLeaves(target);
}

const byteAt = (code: Uint8Array, at: number) => (code[at]! << 24) >> 24;
const wordAt = (code: Uint8Array, at: number) =>
  code[at]! | (code[at + 1]! << 8) | (code[at + 2]! << 16) | (code[at + 3]! << 24);
