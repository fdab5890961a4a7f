import { bytes, i32, layout, size64, u8, u16, u32, u64 } from "../../binary/index.ts";

/** Elf64_Ehdr. Source: System V ABI, "ELF Header"; what real vmcores do with it: linux-vmcore.md section 1. */
export const elfHeader = layout("Elf64_Ehdr", 64, {
  magic: u32(0x00, "7f 45 4c 46"),
  class: u8(0x04, "1 = 32 bit, 2 = 64 bit"),
  data: u8(0x05, "1 = little-endian, 2 = big-endian"),
  identVersion: u8(0x06),
  type: u16(0x10, "4 = core"),
  machine: u16(0x12, "62 = x86-64, 183 = AArch64"),
  version: u32(0x14),
  programHeaders: size64(0x20, "e_phoff; QEMU 7.2 puts the section headers first, so never assume 64"),
  sectionHeaders: size64(0x28, "e_shoff"),
  headerSize: u16(0x34, "e_ehsize; QEMU writes 8, so it is not read"),
  programHeaderSize: u16(0x36, "e_phentsize"),
  programHeaderCount: u16(0x38, "e_phnum; 0xffff: the count is sh_info of section 0"),
  sectionHeaderSize: u16(0x3a, "e_shentsize"),
  sectionHeaderCount: u16(0x3c, "e_shnum"),
});

/** Elf64_Phdr. Source: System V ABI, "Program Header". */
export const programHeader = layout("Elf64_Phdr", 56, {
  type: u32(0x00, "1 = PT_LOAD, 4 = PT_NOTE"),
  flags: u32(0x04, "1 = execute, 2 = write, 4 = read"),
  offset: size64(0x08, "in the file"),
  virtualAddress: u64(0x10, "bogus in many vmcores; not read"),
  physicalAddress: size64(0x18),
  fileBytes: size64(0x20),
  memoryBytes: size64(0x28),
  align: u64(0x30),
});

/** Elf64_Shdr, of which a vmcore needs one field of section 0. Source: System V ABI, "Section Header". */
export const sectionHeader = layout("Elf64_Shdr", 64, {
  info: u32(0x2c, "sh_info: the number of program headers when e_phnum is 0xffff"),
});

/** Elf64_Nhdr; name and descriptor follow, each padded to 4 bytes. Source: System V ABI, "Note Section". */
export const noteHeader = layout("Elf64_Nhdr", 12, {
  nameBytes: u32(0, "with the closing NUL"),
  descriptorBytes: u32(4),
  type: u32(8),
});

/** struct elf_prstatus of x86-64, the descriptor of NT_PRSTATUS. Source: linux-vmcore.md section 8. */
export const prstatus = layout("elf_prstatus", 336, {
  pid: i32(0x20, "pr_pid: a pid in kexec dumps, processor + 1 in QEMU's"),
  registers: bytes(0x70, 27 * 8, "pr_reg, in ptrace order"),
});

/** pr_reg in ptrace order, by the names of this project; orig_rax is no register of the machine. */
export const PTRACE_ORDER = [
  ...["r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8"],
  ...["rax", "rcx", "rdx", "rsi", "rdi", "orig_rax", "rip", "cs", "rflags", "rsp", "ss"],
  ...["fsBase", "gsBase", "ds", "es", "fs", "gs"],
] as const;

const segment = (name: string, at: number) =>
  layout(name, 440, { selector: u32(at), limit: u32(at + 4), flags: u32(at + 8), base: u64(at + 16) });

/** QEMUCPUState, the descriptor of the note named QEMU. Source: linux-vmcore.md section 8. */
export const qemuProcessor = layout("QEMUCPUState", 440, {
  version: u32(0, "1"),
  size: u32(4, "440"),
  rax: u64(8),
  rbx: u64(16),
  rcx: u64(24),
  rdx: u64(32),
  rsi: u64(40),
  rdi: u64(48),
  rsp: u64(56),
  rbp: u64(64),
  r8: u64(72),
  r9: u64(80),
  r10: u64(88),
  r11: u64(96),
  r12: u64(104),
  r13: u64(112),
  r14: u64(120),
  r15: u64(128),
  rip: u64(136),
  rflags: u64(144),
  cr0: u64(392),
  cr2: u64(408),
  cr3: u64(416),
  cr4: u64(424),
  kernelGsBase: u64(432),
});

/** The segments of QEMUCPUState, in their order: selector, limit, flags, base; 24 bytes each from byte 152. */
export const qemuSegments = {
  cs: segment("QEMUCPUState.cs", 152),
  ds: segment("QEMUCPUState.ds", 176),
  es: segment("QEMUCPUState.es", 200),
  fs: segment("QEMUCPUState.fs", 224),
  gs: segment("QEMUCPUState.gs", 248),
  ss: segment("QEMUCPUState.ss", 272),
} as const;

export const ELF_MAGIC = 0x464c457f;
export const CLASS_64 = 2;
export const LITTLE_ENDIAN = 1;
export const TYPE_CORE = 4;
export const MACHINE_X86_64 = 62;
export const MACHINE_AARCH64 = 183;
export const PT_LOAD = 1;
export const PT_NOTE = 4;
/** e_phnum when the real count does not fit and stands in sh_info of section 0. */
export const PN_XNUM = 0xffff;

export const NT_PRSTATUS = 1;
/** Notes that only the core of a user process has. */
export const NT_AUXV = 6;
export const NT_FILE = 0x46494c45;
