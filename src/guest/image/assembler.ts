import { UNWIND_OPERATION, UNWIND_REGISTERS } from "../../binary/index.ts";
import type { FunctionDeclaration, ImageFunction } from "./function.ts";

/** A rel32 operand that can be filled in once every function has its address. */
export interface Fixup {
  /** Offset in the code of the four bytes of the operand. */
  readonly at: number;
  readonly target: string;
}

export interface AssembledFunction extends ImageFunction {
  /** UNWIND_CODE slots, two bytes each, last instruction of the prolog first. */
  readonly unwindCodes: Uint8Array;
  readonly prologBytes: number;
}

/** Instructions without an effect that the model would have to follow, so that call sites do not stand in line. */
const FILLER: readonly (readonly number[])[] = [
  [0x48, 0x8b, 0xcb], // mov rcx, rbx
  [0x33, 0xd2], // xor edx, edx
  [0x48, 0x85, 0xc0], // test rax, rax
  [0x4c, 0x8b, 0xc1], // mov r8, rcx
  [0x45, 0x33, 0xc9], // xor r9d, r9d
  [0x48, 0x8d, 0x4c, 0x24, 0x30], // lea rcx, [rsp+30h]
  [0x0f, 0x1f, 0x40, 0x00], // nop dword ptr [rax]
  [0x41, 0xb8, 0x01, 0x00, 0x00, 0x00], // mov r8d, 1
];

const HOME_SPACE = 0x20; // x64 calling convention: a caller keeps room for its callee's four register arguments
/** KiPageFault's frame is a KTRAP_FRAME up to and including rbp; the machine frame and the error code complete it. */
const TRAP_FRAME_BYTES = 0x158;

/** Writes machine code function by function, each on a 16-byte boundary, and remembers the calls still to be linked. */
export class Assembler {
  readonly #code: number[] = [];
  readonly #origin: number;
  readonly fixups: Fixup[] = [];

  /** @param origin RVA of the first byte */
  constructor(origin: number) {
    this.#origin = origin;
  }

  get code(): Uint8Array {
    return Uint8Array.from(this.#code);
  }

  add(declaration: FunctionDeclaration): AssembledFunction {
    while (this.#code.length % 16) this.#code.push(0xcc);
    const begin = this.#here;
    const codes: number[][] = [];
    const pushes = declaration.saves.map((name) => UNWIND_REGISTERS.indexOf(name));
    for (const register of pushes) {
      this.#emit(...(register >= 8 ? [0x41] : []), 0x50 + (register & 7));
      codes.push([this.#here - begin, UNWIND_OPERATION.pushNonvolatile | (register << 4)]);
    }
    const frameBytes = declaration.trap ? TRAP_FRAME_BYTES : frameFor(declaration);
    if (frameBytes < 0x80) {
      this.#emit(0x48, 0x83, 0xec, frameBytes); // sub rsp, imm8
      codes.push([this.#here - begin, UNWIND_OPERATION.allocateSmall | ((frameBytes / 8 - 1) << 4)]);
    } else {
      this.#emit(0x48, 0x81, 0xec, ...word32(frameBytes)); // sub rsp, imm32
      codes.push([this.#here - begin, UNWIND_OPERATION.allocateLarge, frameBytes / 8, (frameBytes / 8) >> 8]);
    }
    codes.reverse();
    // The processor has pushed this frame before the first instruction ran; the 1 says that an error code lies below it.
    if (declaration.trap) codes.push([0, UNWIND_OPERATION.pushMachineFrame | (1 << 4)]);
    const body = this.#here;
    const sites = this.#body(declaration);
    this.#epilog(declaration, pushes, frameBytes);
    return {
      name: declaration.name,
      begin,
      end: this.#here,
      trap: declaration.trap,
      body,
      pushes,
      frameBytes,
      sites,
      prologBytes: body - begin,
      unwindCodes: Uint8Array.from(codes.flat()),
    };
  }

  get #here(): number {
    return this.#origin + this.#code.length;
  }

  #emit(...bytes: number[]): void {
    this.#code.push(...bytes);
  }

  #body({ name, steps }: FunctionDeclaration): Map<string, number> {
    const sites = new Map<string, number>();
    let choice = [...name].reduce((sum, letter) => (Math.imul(sum, 31) + letter.charCodeAt(0)) >>> 0, 7);
    for (const step of steps) {
      for (let count = 2 + (choice % 3); count > 0; count--) {
        choice = (Math.imul(choice, 1_103_515_245) + 12_345) >>> 0;
        this.#emit(...FILLER[(choice >>> 16) % FILLER.length]!);
      }
      switch (step.kind) {
        case "call":
          this.#emit(0xe8);
          this.fixups.push({ at: this.#code.length, target: step.target });
          this.#emit(0, 0, 0, 0);
          sites.set(step.site, this.#here);
          break;
        case "call-pointer":
          this.#emit(0xff, 0xd0);
          sites.set(step.site, this.#here);
          break;
        case "load":
        case "store":
          sites.set(step.site, this.#here);
          this.#emit(0x48, step.kind === "load" ? 0x8b : 0x89, 0x01);
          break;
        case "fail-fast":
          sites.set(step.site, this.#here);
          this.#emit(0xcd, 0x29);
          break;
        case "fill":
          sites.set(step.site, this.#here);
          this.#emit(0xf3, 0xaa);
          break;
      }
    }
    this.#emit(0x33, 0xc0); // xor eax, eax: a call is never a function's last instruction before its epilog
    return sites;
  }

  #epilog({ trap }: FunctionDeclaration, pushes: readonly number[], frameBytes: number): void {
    if (frameBytes < 0x80) this.#emit(0x48, 0x83, 0xc4, frameBytes);
    else this.#emit(0x48, 0x81, 0xc4, ...word32(frameBytes));
    for (const register of pushes.toReversed()) this.#emit(...(register >= 8 ? [0x41] : []), 0x58 + (register & 7));
    if (trap)
      this.#emit(0x48, 0x83, 0xc4, 0x08, 0x48, 0xcf); // add rsp, 8; iretq
    else this.#emit(0xc3);
  }
}

/** Bytes of `sub rsp` so that rsp is a multiple of 16 at every call: behind the return address and the pushes. */
function frameFor({ locals, saves }: FunctionDeclaration): number {
  const wanted = HOME_SPACE + locals;
  const above = 8 + 8 * saves.length;
  return wanted + ((16 - ((wanted + above) % 16)) % 16);
}

const word32 = (value: number): number[] => [value & 255, (value >>> 8) & 255, (value >>> 16) & 255, value >>> 24];
