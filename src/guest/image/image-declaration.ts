import type { Fixup } from "./assembler.ts";
import type { FunctionDeclaration, ImageFunction } from "./function.ts";

/** A variable in an image's .data: zeros until the kernel writes to it. */
export interface DataDeclaration {
  readonly name: string;
  readonly bytes: number;
}

/** What an image is made of. Every function and the exported variables are found in its export directory. */
export interface ImageDeclaration {
  /** With extension: `leakdrv.sys`. */
  readonly name: string;
  readonly functions: readonly FunctionDeclaration[];
  readonly data?: readonly DataDeclaration[];
  readonly exportedData?: readonly string[];
}

/** What a page of a section may be used for. */
export type SectionAccess = "code" | "read-only" | "data";

export interface ImageSection {
  readonly name: string;
  /** RVA. */
  readonly begin: number;
  readonly bytes: number;
  readonly access: SectionAccess;
}

/** An image laid out as it lies in memory, before its calls are linked. */
export interface BuiltImage {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly functions: ReadonlyMap<string, ImageFunction>;
  /** RVAs of the variables. */
  readonly data: ReadonlyMap<string, number>;
  /** RVA. */
  readonly entryPoint: number;
  readonly timeDateStamp: number;
  readonly checkSum: number;
  /** Calls to be linked: RVA of the operand, and the target's name. */
  readonly fixups: readonly Fixup[];
  readonly sections: readonly ImageSection[];
}
