import type { Dump } from "../../dumpfile/index.ts";
import { searchVmcoreInfo } from "./vmcoreinfo-search.ts";

/**
 * VMCOREINFO: what a Linux kernel writes down about itself for readers of its dumps, as lines of `KEY=value`.
 * SYMBOL() and KERNELOFFSET are hex without 0x, NUMBER() is signed decimal (or 0x…), OFFSET(), SIZE() and LENGTH() are decimal.
 * Source: linux-vmcore.md section 2.
 */
export class VmcoreInfo {
  readonly #values: ReadonlyMap<string, string>;

  constructor(text: string) {
    const values = new Map<string, string>();
    for (const line of text.split("\n")) {
      const equals = line.indexOf("=");
      if (equals > 0) values.set(line.slice(0, equals), line.slice(equals + 1));
    }
    this.#values = values;
  }

  text(key: string): string | null {
    return this.#values.get(key) ?? null;
  }

  /** A symbol's address, already relocated by KASLR. */
  symbol(name: string): bigint | null {
    return hexadecimal(this.text(`SYMBOL(${name})`));
  }

  number(name: string): bigint | null {
    const text = this.text(`NUMBER(${name})`);
    if (text?.startsWith("0x")) return hexadecimal(text.slice(2));
    return text !== null && /^-?\d{1,20}$/.test(text) ? BigInt(text) : null;
  }

  /** Byte offset of `structure.member`. */
  offset(member: string): number | null {
    return decimal(this.text(`OFFSET(${member})`));
  }

  size(structure: string): number | null {
    return decimal(this.text(`SIZE(${structure})`));
  }

  /** How far KASLR moved the kernel's virtual addresses. */
  get kernelOffset(): bigint | null {
    return hexadecimal(this.text("KERNELOFFSET"));
  }

  /** Seconds since 1970 at which the kernel crashed; only a kernel that went down through kexec writes it. */
  get crashTime(): number | null {
    return decimal(this.text("CRASHTIME"));
  }
}

const hexadecimal = (text: string | null) =>
  text !== null && /^[0-9a-f]{1,16}$/i.test(text) ? BigInt(`0x${text}`) : null;
const decimal = (text: string | null) => (text !== null && /^\d{1,15}$/.test(text) ? Number(text) : null);

/** VMCOREINFO from where the dump's format keeps it, else from the memory itself; null when this is no Linux dump. */
export function findVmcoreInfo(dump: Dump): VmcoreInfo | null {
  const note = dump.notes.find((n) => n.name === "VMCOREINFO");
  const noted = note ? Buffer.from(note.bytes).toString("latin1") : null;
  const header = dump.header.kind === "windows" ? null : dump.header.vmcoreinfo;
  // A guest that never filled its hypervisor's note leaves it there, empty.
  const kept = [header, noted].find((text) => text?.includes("OSRELEASE="));
  const text = kept ?? searched(dump);
  return text === null ? null : new VmcoreInfo(text);
}

const searched = ({ memory, cpus }: Dump) =>
  memory.kind === "physical"
    ? searchVmcoreInfo(
        memory,
        cpus.map(({ registers }) => registers),
      )
    : null;
