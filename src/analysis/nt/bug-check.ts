import { hex } from "../../binary/index.ts";
import type { HeaderStopCode } from "../../dumpfile/index.ts";
import type { Facts } from "../facts.ts";
import type { Kernel } from "./kernel.ts";
import { isKernelAddress, type KernelMemory } from "./kernel-memory.ts";
import { baseName, type Modules } from "./modules.ts";
import { valueText } from "./parameter-values.ts";
import { processAt } from "./processes.ts";
import { type ParameterKind, parameterMeanings } from "./stop-code-parameters.ts";
import { baseStopCode, stopCodeName } from "./stop-codes.ts";

type StopCodeFact = NonNullable<NonNullable<Facts["crash"]>["stopCode"]>;

/** The stop code with its parameters told in words, and what they point at where that could be read. */
export function stopCodeFact(kernel: Kernel, modules: Modules, stopCode: HeaderStopCode): StopCodeFact {
  const meanings = parameterMeanings(stopCode.code, stopCode.parameters);
  return {
    code: hex(stopCode.code),
    name: stopCodeName(stopCode.code),
    parameters: stopCode.parameters.map((value, i) => ({
      value: hex(value),
      meaning: meanings[i]?.meaning ?? null,
      text: parameterText(kernel, modules, stopCode.code, value, meanings[i]?.kind ?? "plain"),
    })),
  };
}

function parameterText(kernel: Kernel, modules: Modules, code: number, value: bigint, kind: ParameterKind) {
  switch (kind) {
    case "instruction":
    case "code":
      return modules.at(value) ? modules.text(value) : null;
    case "driver name":
      return driverName(kernel.memory, value);
    case "text":
      return isKernelAddress(value) ? kernel.memory.asciiText(value) : null;
    case "process":
      return processAt(kernel, value)?.name ?? null;
    default:
      return valueText(code, value, kind);
  }
}

/** The name at an address, in whichever form makes one: UTF-16 or ASCII with a NUL, or a UNICODE_STRING that points at it. */
function driverName(memory: KernelMemory, address: bigint): string | null {
  if (!isKernelAddress(address)) return null;
  const forms = [memory.wideText(address, 260), memory.asciiText(address, 260), memory.unicodeString(address)];
  return forms.find((name) => name !== null && /^[\x20-\x7e]{2,}$/.test(name)) ?? null;
}

/** Address of the instruction that failed, for stop codes that say it in a parameter; null when it is left out there. */
export function failedInstruction(stopCode: HeaderStopCode): bigint | null {
  const meanings = parameterMeanings(stopCode.code, stopCode.parameters);
  const index = meanings.findIndex((meaning) => meaning?.kind === "instruction");
  const value = index < 0 ? 0n : stopCode.parameters[index]!;
  return isKernelAddress(value) ? value : null;
}

/** The status of the exception, for stop codes that carry one. */
export function exceptionStatus(stopCode: HeaderStopCode): number | null {
  const exceptions = [0x1e, 0x3b, 0x7e, 0x8e];
  return exceptions.includes(baseStopCode(stopCode.code)) ? Number(stopCode.parameters[0] & 0xffff_ffffn) : null;
}

/** The driver that the stop code itself names (0xD8, 0xC4/0x62, 0xEA), with the parameter's number from 1. */
export function namedDriver(kernel: Kernel, stopCode: HeaderStopCode): { name: string; parameter: number } | null {
  const meanings = parameterMeanings(stopCode.code, stopCode.parameters);
  const index = meanings.findIndex((meaning) => meaning?.kind === "driver name");
  const name = index < 0 ? null : driverName(kernel.memory, stopCode.parameters[index]!);
  return name === null ? null : { name: baseName(name), parameter: index + 1 };
}

/** The IRQL the machine was at, for stop codes that tell it. */
export function irqlOf(stopCode: HeaderStopCode): number | null {
  const meanings = parameterMeanings(stopCode.code, stopCode.parameters);
  const index = meanings.findIndex((meaning) => meaning?.kind === "irql");
  const value = index < 0 ? null : stopCode.parameters[index]!;
  return value !== null && value < 0x100n ? Number(value) : null;
}
