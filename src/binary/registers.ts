/** Names of the x86-64 registers a crash carries, general ones first, in the order people read them. */
export const X64_REGISTERS = [
  ...["rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp"],
  ...["r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"],
  ...["rip", "rflags", "cs", "ss", "ds", "es", "fs", "gs"],
  ...["fsBase", "gsBase", "kernelGsBase", "cr0", "cr2", "cr3", "cr4", "cr8", "efer"],
] as const;

/** Register values by name, as 64-bit bigints; a register that the source does not carry is left out. */
export type Registers = Readonly<Record<string, bigint>>;
