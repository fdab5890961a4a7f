import { describe, expect, it } from "vitest";
import { findVmcoreInfo, VmcoreInfo } from "../../src/analysis/linux/vmcoreinfo.ts";
import { searchVmcoreInfo } from "../../src/analysis/linux/vmcoreinfo-search.ts";
import type { Dump } from "../../src/dumpfile/index.ts";
import { BuiltMemory, IMAGE } from "./linux-built-kernel.ts";

// Lines as kernels write them (vmcoreinfo-keys.txt).
const TEXT = [
  "OSRELEASE=6.12.117+deb12-amd64",
  "SYMBOL(swapper_pg_dir)=ffffffffb3a22000",
  "NUMBER(VMALLOC_START)=0xffffcb5540000000",
  "NUMBER(phys_base)=-761266176",
  "OFFSET(prb_desc.state_var)=0",
  "SIZE(printk_info)=88",
  "KERNELOFFSET=30e00000",
  "CRASHTIME=1795336867",
  "",
].join("\n");

const dumpOf = (memory: BuiltMemory, parts: Partial<Dump> = {}): Dump => ({
  file: "built",
  format: "elf-vmcore",
  arch: "x86_64",
  bytes: 0,
  complete: true,
  memory: Object.assign(memory, { kind: "physical" as const }),
  pages: 0,
  cpus: [],
  notes: [],
  stopCode: null,
  header: { kind: "elf", vmcoreinfo: null },
  problems: [],
  close: () => {},
  ...parts,
});

describe("VMCOREINFO", () => {
  it("keeps each kind of value to its own base", () => {
    const info = new VmcoreInfo(TEXT);
    expect(info.symbol("swapper_pg_dir")).toBe(0xffff_ffff_b3a2_2000n);
    expect(info.number("VMALLOC_START")).toBe(0xffff_cb55_4000_0000n);
    expect(info.number("phys_base")).toBe(-761_266_176n);
    expect(info.offset("prb_desc.state_var")).toBe(0);
    expect(info.size("printk_info")).toBe(88);
    expect(info.kernelOffset).toBe(0x30e0_0000n);
    expect(info.crashTime).toBe(1_795_336_867);
  });

  it("has no value for a key that is missing or spoilt", () => {
    const info = new VmcoreInfo(
      "SYMBOL(a)=xyz\nNUMBER(b)=1.5\nOFFSET(c)=-8\nSIZE(d)=99999999999999999999\nnonsense\n=\n",
    );
    expect([info.symbol("a"), info.number("b"), info.offset("c"), info.size("d"), info.text("e")]).toEqual(
      Array(5).fill(null),
    );
  });

  it("is found in memory when the dump carries no note: a page that begins with it", () => {
    const memory = new BuiltMemory(8);
    memory.put(IMAGE + 0x2010n, Buffer.from(TEXT)); // not at a page's start
    memory.put(IMAGE + 0x3000n, Buffer.from("OSRELEASE=6.1 without the rest\n")); // a page of somebody's notes
    memory.put(IMAGE + 0x5000n, Buffer.from(TEXT));
    memory.drop(IMAGE + 0x1000n);
    expect(searchVmcoreInfo(memory, [])).toBe(TEXT);
    expect(findVmcoreInfo(dumpOf(memory))?.text("OSRELEASE")).toBe("6.12.117+deb12-amd64");
    memory.drop(IMAGE + 0x5000n);
    expect(findVmcoreInfo(dumpOf(memory))).toBeNull();
  });

  it.each([
    ["four", 0n, 0x1000n],
    ["five", 1n << 12n, 0x9000n],
  ])(
    "is found by the kernel's own pointer to it, with %s levels of page tables, however much memory there is",
    (_, cr4, root) => {
      const memory = new BuiltMemory(16);
      const present = 0x3n; // and writable
      // Entry 511 of a top table leads to the image at -2 GiB, entry 273 to the direct map, here of 2 MiB.
      memory.u64(IMAGE + 0x9000n + 511n * 8n, 0x1000n | present);
      memory.u64(IMAGE + 0x1000n + 511n * 8n, 0x2000n | present);
      memory.u64(IMAGE + 0x2000n + 510n * 8n, 0x3000n | present);
      memory.u64(IMAGE + 0x3000n + 3n * 8n, 0x4000n | present);
      memory.u64(IMAGE + 0x4000n + 7n * 8n, 0x5000n | present);
      memory.u64(IMAGE + 0x1000n + 273n * 8n, 0x6000n | present);
      memory.u64(IMAGE + 0x6000n, 0x7000n | present);
      memory.u64(IMAGE + 0x7000n, 0x83n);
      const direct = 0xffff_8880_0000_0000n; // the same with four levels and five
      memory.u64(IMAGE + 0x5010n, direct + 0x8000n);
      memory.u64(IMAGE + 0x5018n, direct + 0xa000n);
      memory.put(IMAGE + 0xa000n, Buffer.from(TEXT));
      const registers = [{}, { cr3: root | 0xfffn, cr4 }];
      expect(searchVmcoreInfo(memory, registers)).toBe(TEXT);
      // Searching all pages would come upon this one first.
      memory.put(IMAGE, Buffer.from(TEXT.replace("6.12.117", "9.99")));
      expect(searchVmcoreInfo(memory, registers)).toBe(TEXT);
      memory.u64(IMAGE + 0x4000n + 7n * 8n, 0x5001n); // read-only pages hold no variables
      expect(searchVmcoreInfo(memory, registers)).toContain("9.99");
    },
  );

  it("is taken from the header, then from a note, before memory is searched", () => {
    const memory = new BuiltMemory(2);
    const note = { name: "VMCOREINFO", type: 0, bytes: Buffer.from("OSRELEASE=noted\n") };
    expect(findVmcoreInfo(dumpOf(memory, { notes: [note] }))?.text("OSRELEASE")).toBe("noted");
    const header = { kind: "elf", vmcoreinfo: "OSRELEASE=header\n" } as const;
    expect(findVmcoreInfo(dumpOf(memory, { notes: [note], header }))?.text("OSRELEASE")).toBe("header");
  });
});
