import { describe, expect, it } from "vitest";
import { Kallsyms } from "../../src/analysis/linux/kallsyms.ts";
import { KernelMemory } from "../../src/analysis/linux/kernel-memory.ts";
import { VmcoreInfo } from "../../src/analysis/linux/vmcoreinfo.ts";
import { AT, BASE, type BuiltSymbol, buildKallsyms } from "./linux-built-kallsyms.ts";
import { IMAGE, imageMap } from "./linux-built-kernel.ts";

const read = ({ memory, info }: ReturnType<typeof buildKallsyms>) =>
  Kallsyms.read(new KernelMemory(memory, imageMap), info);

const SYMBOLS: readonly BuiltSymbol[] = [
  { name: "_stext", at: 0 },
  { name: "do_exit", at: 0x100 },
  { name: "alias_of_do_exit", at: 0x100 },
  { name: "do_exit.cold", at: 0x180 },
  { name: "static_twin", at: 0x200 },
  { name: "static_twin", at: 0x240 },
  { name: "x".repeat(200), at: 0x300 },
  { name: "_end", at: 0x1000 },
];

describe.each([
  ["addresses count up from the base", false],
  ["per-CPU values are absolute and addresses count down from the base", true],
])("kallsyms where %s", (_, absolutePerCpu) => {
  const symbols = absolutePerCpu ? [{ name: "cpu_number", at: -0x20 }, ...SYMBOLS] : SYMBOLS;
  const table = read(buildKallsyms(symbols, absolutePerCpu));

  it("finds every symbol's address by its name", () => {
    expect(table?.count).toBe(symbols.length);
    expect(table?.complete).toBe(true);
    for (const { name, at } of symbols)
      expect(table?.addresses(name), name).toContain(at < 0 ? BigInt(-at) : BASE + BigInt(at));
    expect(table?.addresses("static_twin")).toEqual([BASE + 0x200n, BASE + 0x240n]);
    expect(table?.address("no_such")).toBeNull();
  });

  it("finds the symbol that covers an address, the first of those that share one", () => {
    expect(table?.at(BASE + 0x17fn)).toEqual({ name: "do_exit", start: BASE + 0x100n, offset: 0x7f, size: 0x80 });
    expect(table?.at(BASE + 0x300n)?.name).toBe("x".repeat(200));
    expect(table?.at(BASE - 1n)).toBeNull();
    expect(table?.at(BASE + 0x1000n)).toBeNull();
    expect(table?.at(0xffff_ffff_ffff_ffffn)).toBeNull();
  });
});

describe("kallsyms of a dump that lacks pages", () => {
  it("ends at the first missing page of names, and says so", () => {
    const many = [
      { name: "_stext", at: 0 },
      ...Array.from({ length: 999 }, (_, n) => ({ name: `s${n}`, at: 8 * n + 8 })),
    ];
    const built = buildKallsyms(many, true);
    built.memory.drop(IMAGE + AT.names + 0x1000n);
    const table = read(built);
    expect(table?.complete).toBe(false);
    expect(table?.count).toBeGreaterThan(500);
    expect(table?.address("s500")).toBe(BASE + 4008n);
    expect(table?.address("s998")).toBeNull();
  });

  it("is absent when its tables, its count or its keys are", () => {
    for (const part of [AT.names, AT.offsets, AT.count]) {
      const built = buildKallsyms(SYMBOLS, true);
      built.memory.drop(IMAGE + part);
      expect(read(built)).toBeNull();
    }
    const built = buildKallsyms(SYMBOLS, true);
    expect(Kallsyms.read(new KernelMemory(built.memory, imageMap), new VmcoreInfo("OSRELEASE=5.10"))).toBeNull();
    built.memory.u32(IMAGE + AT.count, 0xffff_ffff);
    expect(read(built)).toBeNull();
  });

  it("sorts symbols that do not stand in order", () => {
    const [first, ...rest] = SYMBOLS.slice(0, 5);
    const table = read(buildKallsyms([...rest, first!, { name: "_end", at: 0x1000 }], false));
    expect(table?.at(BASE + 0x10n)?.name).toBe("_stext");
    expect(table?.at(BASE + 0x181n)?.name).toBe("do_exit.cold");
  });
});
