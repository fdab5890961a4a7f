import { type Registers, UNWIND_REGISTERS } from "../../binary/index.ts";
import {
  type Architecture,
  contextArm64,
  contextRegisters,
  contextX64,
  exceptionRecord64,
} from "../../dumpfile/index.ts";
import type { Kernel } from "./kernel.ts";
import { isKernelAddress } from "./kernel-memory.ts";
import { baseStopCode } from "./stop-codes.ts";
import type { FrameRegisters } from "./unwind.ts";

/** The registers a CONTEXT holds, its floating point control words included; null where nobody wrote one. */
function registersOf(record: Uint8Array, arch: Architecture): Registers | null {
  const registers = contextRegisters(record, arch);
  if (!registers) return null;
  if (arch === "x86_64") return { ...registers, mxcsr: BigInt(contextX64.read(record).mxCsr) };
  const { fpcr, fpsr } = contextArm64.read(record);
  return { ...registers, fpcr: BigInt(fpcr), fpsr: BigInt(fpsr) };
}

/** The registers of a CONTEXT in memory. */
export function readContext(kernel: Kernel, at: bigint): Registers | null {
  const size = kernel.arch === "arm64" ? contextArm64.size : contextX64.size;
  const bytes = kernel.memory.read(at, size);
  return bytes && registersOf(bytes, kernel.arch);
}

/** The CONTEXT in the dump's header. Which moment it shows depends on the stop code (windows-dump.md section 4b). */
export const headerContext = (kernel: Kernel): Registers | null =>
  registersOf(kernel.header.contextRecord, kernel.arch);

/** Where a stop code's parameters (counted from 0) point at the registers of the exception, and at its record. */
const CONTEXT_PARAMETER: ReadonlyMap<number, number> = new Map([
  [0x3b, 2],
  [0x7e, 3],
]);
const RECORD_PARAMETER: ReadonlyMap<number, number> = new Map([
  [0x7e, 2],
  [0x139, 2],
]);

function pointerIn({ stopCode }: Kernel, which: ReadonlyMap<number, number>): bigint | null {
  const index = stopCode ? which.get(baseStopCode(stopCode.code)) : undefined;
  const pointer = index === undefined ? 0n : stopCode!.parameters[index]!;
  return isKernelAddress(pointer) ? pointer : null;
}

/** The registers at the instruction that failed, for the stop codes that say where they are kept. */
export function exceptionContext(kernel: Kernel): Registers | null {
  const at = pointerIn(kernel, CONTEXT_PARAMETER);
  return at === null ? null : readContext(kernel, at);
}

export interface ExceptionRecord {
  readonly code: number;
  readonly address: bigint;
  readonly information: readonly bigint[];
}

/** The exception record that the stop code's parameters point at. The one in the header shows only KeBugCheckEx. */
export function exceptionRecord(kernel: Kernel): ExceptionRecord | null {
  const at = pointerIn(kernel, RECORD_PARAMETER);
  const bytes = at === null ? null : kernel.memory.read(at, exceptionRecord64.size);
  if (!bytes) return null;
  const record = exceptionRecord64.read(bytes);
  const view = new DataView(record.exceptionInformation.buffer);
  const count = Math.min(record.numberParameters, 15);
  const information = Array.from({ length: count }, (_, i) => view.getBigUint64(i * 8, true));
  return { code: record.exceptionCode, address: record.exceptionAddress, information };
}

/** What the unwinder of x64 starts from; null when the registers are not those of one. */
export function frameOf(registers: Registers): FrameRegisters | null {
  const rip = registers.rip;
  if (rip === undefined || registers.rsp === undefined) return null;
  return { rip, general: UNWIND_REGISTERS.map((name) => registers[name] ?? null), interrupted: false };
}
