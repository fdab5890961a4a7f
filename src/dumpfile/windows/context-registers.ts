import type { Registers } from "../../binary/index.ts";
import type { Architecture } from "../dump.ts";
import { CONTEXT_FLAGS, contextArm64, contextX64 } from "./context.ts";

const X64_WIDE = [
  ...(["rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp"] as const),
  ...(["r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "rip"] as const),
];

function x64Registers(record: Uint8Array): Registers | null {
  const context = contextX64.read(record);
  if ((context.contextFlags & CONTEXT_FLAGS.amd64) === 0) return null;
  return {
    ...Object.fromEntries(X64_WIDE.map((name) => [name, context[name]])),
    rflags: BigInt(context.eFlags),
    cs: BigInt(context.segCs),
    ss: BigInt(context.segSs),
    ds: BigInt(context.segDs),
    es: BigInt(context.segEs),
    fs: BigInt(context.segFs),
    gs: BigInt(context.segGs),
  };
}

function arm64Registers(record: Uint8Array): Registers | null {
  const { contextFlags, cpsr, ...context } = contextArm64.read(record);
  if ((contextFlags & CONTEXT_FLAGS.arm64) === 0) return null;
  // x0 to x28, fp, lr, sp and pc are the 64-bit fields; what else a CONTEXT has is not a general register.
  const general = Object.entries(context).filter((entry): entry is [string, bigint] => typeof entry[1] === "bigint");
  return { ...Object.fromEntries(general), cpsr: BigInt(cpsr) };
}

/**
 * The registers of a CONTEXT by name: the x64 names of `X64_REGISTERS`, or x0 to x28, fp, lr, sp, pc and cpsr on ARM64.
 * Null when the bytes are too few or `contextFlags` does not name the architecture: then nobody wrote a CONTEXT there.
 */
export function contextRegisters(record: Uint8Array, arch: Architecture): Registers | null {
  if (arch === "x86_64" && record.length >= contextX64.size) return x64Registers(record);
  return arch === "arm64" && record.length >= contextArm64.size ? arm64Registers(record) : null;
}
