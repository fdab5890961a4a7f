import { X64_REGISTERS } from "../binary/index.ts";
import { ACCESS_AC, CR0_PG, CR4_PAE, EFER_LMA, EFER_LME, type PagingState, RFLAGS_AC } from "../paging/index.ts";

export type RegisterName = (typeof X64_REGISTERS)[number];

/** Registers as 64-bit bigints, to be read and assigned by name. What is assigned is taken modulo 2^64. */
export type RegisterFile = Record<RegisterName, bigint>;

/** `none`: linear addresses are physical. `other`: 32-bit paging, which this hypervisor does not run. */
export type PagingMode = "none" | "long" | "other";

/** What accesses need of the registers, kept as numbers and up to date by assignments to them. */
export interface AddressingState extends PagingState {
  mode: PagingMode;
  /** `ACCESS_AC` while RFLAGS.AC is set, else 0. */
  accessFlags: number;
}

/** Values after a reset, where they are not 0 (Intel SDM volume 3A, table 9-1). */
const RESET: Partial<RegisterFile> = { rip: 0xfff0n, rflags: 0x2n, cs: 0xf000n, cr0: 0x6000_0010n };

/** Registers that addressing depends on, and how each gets there. */
const MIRRORED: Partial<Record<RegisterName, (state: AddressingState, value: bigint) => void>> = {
  cr0: (state, value) => {
    state.cr0 = low32(value);
  },
  cr3: (state, value) => {
    state.cr3 = Number(BigInt.asUintN(52, value));
  },
  cr4: (state, value) => {
    state.cr4 = low32(value);
  },
  efer: (state, value) => {
    state.efer = low32(value);
  },
  rflags: (state, value) => {
    state.accessFlags = (low32(value) & RFLAGS_AC) !== 0 ? ACCESS_AC : 0;
  },
};

/** What translations hang on: a change of one of these is told. */
const CONTROL: ReadonlySet<RegisterName> = new Set(["cr0", "cr3", "cr4", "efer"]);

/** Registers whose upper 32 bits do not exist for this machine. */
const NARROW: ReadonlySet<RegisterName> = new Set(["rflags", "cr0", "cr4", "efer"]);

export function addressingState(): AddressingState {
  return { cr0: 0, cr3: 0, cr4: 0, efer: 0, pkru: 0, mode: "none", accessFlags: 0 };
}

/**
 * A register file, all 0, whose control registers keep `state` up to date. EFER.LMA is the processor's own: it stands
 * while paging is on in long mode, whatever is assigned.
 *
 * @param controlChanged called after CR0, CR4 or EFER got another value, and after every assignment to CR3, of the same
 *   value too; `previous` holds the old state, and only until the next change
 */
export function registerFile(
  state: AddressingState,
  controlChanged: (previous: Readonly<PagingState>) => void,
): RegisterFile {
  const values = {} as RegisterFile;
  const file = {} as RegisterFile;
  const previous: AddressingState = addressingState();
  for (const name of X64_REGISTERS) {
    values[name] = 0n;
    const width = NARROW.has(name) ? 32 : 64;
    const mirror = MIRRORED[name];
    Object.defineProperty(file, name, {
      enumerable: true,
      get: () => values[name],
      set: (value: bigint) => {
        const old = values[name];
        values[name] = BigInt.asUintN(width, value);
        if (mirror === undefined) return;
        Object.assign(previous, state);
        mirror(state, value);
        state.mode = modeOf(state);
        values.efer = withLongModeActive(values.efer, state.mode === "long");
        if (name === "cr3" || (CONTROL.has(name) && values[name] !== old)) controlChanged(previous);
      },
    });
  }
  return file;
}

export function resetRegisters(file: RegisterFile): void {
  for (const name of X64_REGISTERS) file[name] = RESET[name] ?? 0n;
}

function modeOf(state: PagingState): PagingMode {
  if ((state.cr0 & CR0_PG) === 0) return "none";
  return (state.cr4 & CR4_PAE) !== 0 && (state.efer & EFER_LME) !== 0 ? "long" : "other";
}

function withLongModeActive(efer: bigint, active: boolean): bigint {
  const bit = BigInt(EFER_LMA);
  return active ? efer | bit : efer & ~bit;
}

function low32(value: bigint): number {
  return Number(BigInt.asIntN(32, value));
}
