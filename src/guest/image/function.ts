import type { UNWIND_REGISTERS } from "../../binary/index.ts";

export type RegisterName = (typeof UNWIND_REGISTERS)[number];

/** A register that a function has to hand back as it found it; no prolog here saves another. */
export type NonvolatileRegister = "rbx" | "rbp" | "rsi" | "rdi" | "r12" | "r13" | "r14" | "r15";

/**
 * What a modelled function does that is seen in its machine code: whom it calls and where it touches memory.
 * `site` is the name under which the model asks for the place.
 */
export type Step =
  /** `E8 rel32`. A target in another image is written `image!function`. */
  | { readonly kind: "call"; readonly target: string; readonly site: string }
  /** `FF D0`, call rax: a routine that was handed in. */
  | { readonly kind: "call-pointer"; readonly site: string }
  /** `48 8B 01`, mov rax, [rcx] */
  | { readonly kind: "load"; readonly site: string }
  /** `48 89 01`, mov [rcx], rax */
  | { readonly kind: "store"; readonly site: string }
  /** `CD 29`, int 29h: the function has found something broken and gives up */
  | { readonly kind: "fail-fast"; readonly site: string }
  /** `F3 AA`, rep stosb: al to rcx bytes from rdi on */
  | { readonly kind: "fill"; readonly site: string };

/** A function as it is declared: the assembler makes code and unwind information from it. */
export interface FunctionDeclaration {
  readonly name: string;
  readonly saves: readonly NonvolatileRegister[];
  /** Bytes of locals; the assembler adds the callees' home space and the alignment. */
  readonly locals: number;
  readonly steps: readonly Step[];
  /** A trap handler is entered by the processor: below its frame lies a machine frame with an error code. */
  readonly trap: boolean;
}

/** A function in an image, with everything the model needs to enter and leave it. */
export interface ImageFunction {
  readonly name: string;
  /** RVA of the first byte, and of the first byte behind. */
  readonly begin: number;
  readonly end: number;
  readonly trap: boolean;
  /** RVA of the first instruction behind the prolog. */
  readonly body: number;
  /** Registers in the order they are pushed, by number. */
  readonly pushes: readonly number[];
  /** Bytes that `sub rsp` takes. */
  readonly frameBytes: number;
  /** Site name to the RVA of the instruction behind a call, or of a load or store itself. */
  readonly sites: ReadonlyMap<string, number>;
}

export const call = (target: string, site = target): Step => ({ kind: "call", target, site });
export const callPointer = (site: string): Step => ({ kind: "call-pointer", site });
export const load = (site: string): Step => ({ kind: "load", site });
export const store = (site: string): Step => ({ kind: "store", site });
export const failFast = (site: string): Step => ({ kind: "fail-fast", site });
export const fill = (site: string): Step => ({ kind: "fill", site });

/** @example declare("MapBuffer", { saves: ["rbx"], locals: 0x30 }, call("nt!MmMapLockedPagesSpecifyCache")) */
export function declare(
  name: string,
  frame: { saves?: readonly NonvolatileRegister[]; locals?: number; trap?: boolean },
  ...steps: Step[]
): FunctionDeclaration {
  return { name, saves: frame.saves ?? [], locals: frame.locals ?? 0, trap: frame.trap ?? false, steps };
}
