import { type Registers, u64 } from "../../binary/index.ts";
import type { DumpNote, DumpProcessor } from "../dump.ts";
import { NT_PRSTATUS, PTRACE_ORDER, prstatus, qemuProcessor, qemuSegments } from "./layouts.ts";

/** Whether a note describes a processor and not the whole machine. */
export const isPrstatus = (note: DumpNote) => note.name === "CORE" && note.type === NT_PRSTATUS;
export const isQemuNote = (note: DumpNote) => note.name === "QEMU" && note.type === 0;

const slot = u64(0);

/**
 * The processors of an x86-64 vmcore: the n-th NT_PRSTATUS and the n-th QEMU note belong together.
 * A kexec kernel writes no note for a processor that was offline, so there `index` counts notes.
 */
export function processorsOf(notes: readonly DumpNote[]): DumpProcessor[] {
  const status = notes.filter((note) => isPrstatus(note) && note.bytes.length >= prstatus.size);
  const qemu = notes.filter((note) => isQemuNote(note) && note.bytes.length >= qemuProcessor.size);
  return Array.from({ length: Math.max(status.length, qemu.length) }, (_, index) => {
    const sources = [status[index] && "NT_PRSTATUS", qemu[index] && "QEMU note"].filter((source) => source);
    const own = status[index] ? readPrstatus(status[index].bytes, qemu[index] !== undefined) : null;
    return {
      index,
      source: sources.join(" and "),
      registers: { ...own?.registers, ...(qemu[index] && readQemuNote(qemu[index].bytes)) },
      pid: own?.pid ?? null,
    };
  });
}

function readPrstatus(data: Uint8Array, byQemu: boolean): { registers: Registers; pid: number } {
  const { pid, registers: raw } = prstatus.read(data);
  const view = new DataView(raw.buffer, raw.byteOffset);
  const values = PTRACE_ORDER.map((name, index): [string, bigint] => [name, slot.get(view, index * 8)]);
  const { orig_rax: _, gsBase, ...registers } = Object.fromEntries(values);
  // A kernel that saves its own registers puts MSR_KERNEL_GS_BASE into this slot (ELF_CORE_COPY_REGS of arch/x86),
  // which is the base of user mode while the kernel runs; QEMU writes the active base.
  return { registers: { ...registers, [byQemu ? "gsBase" : "kernelGsBase"]: gsBase! }, pid };
}

function readQemuNote(data: Uint8Array): Registers {
  const { version: _, size: __, ...general } = qemuProcessor.read(data);
  const segments = Object.entries(qemuSegments).map(([name, table]) => [name, table.read(data)] as const);
  return {
    ...general,
    ...Object.fromEntries(segments.map(([name, { selector }]) => [name, BigInt(selector)])),
    fsBase: qemuSegments.fs.read(data).base,
    gsBase: qemuSegments.gs.read(data).base,
  };
}

/** A processor as QEMU writes it: NT_PRSTATUS with pid = index + 1; registers that are not known are 0. */
export function prstatusNote(index: number, registers: Registers): DumpNote {
  const bytes = new Uint8Array(prstatus.size);
  const slots = new Uint8Array(PTRACE_ORDER.length * 8);
  const view = new DataView(slots.buffer);
  for (const [position, name] of PTRACE_ORDER.entries()) slot.set(view, position * 8, registers[name] ?? 0n);
  prstatus.write(bytes, 0, { pid: index + 1, registers: slots });
  return { name: "CORE", type: NT_PRSTATUS, bytes };
}

/** The same processor's QEMU note: control registers and segment bases, which NT_PRSTATUS lacks. */
export function qemuNote(registers: Registers): DumpNote {
  const bytes = new Uint8Array(qemuProcessor.size);
  const known = Object.keys(qemuProcessor.fields).filter((name) => registers[name] !== undefined);
  qemuProcessor.write(bytes, 0, {
    ...Object.fromEntries(known.map((name) => [name, registers[name]])),
    version: 1,
    size: qemuProcessor.size,
  });
  for (const [name, table] of Object.entries(qemuSegments))
    table.write(bytes, 0, {
      selector: Number((registers[name] ?? 0n) & 0xffffn),
      base: name === "fs" || name === "gs" ? (registers[`${name}Base`] ?? 0n) : 0n,
    });
  return { name: "QEMU", type: 0, bytes };
}
