import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { findEpilog } from "../../../src/analysis/nt/epilog.ts";
import { followsCall, isPrologStart } from "../../../src/analysis/nt/return-address.ts";
import { withPeers } from "../../peers.ts";

const CALLS = [
  ...["call 0x1000", "call *%rax", "call *%r15", "call *(%rax)", "call *(%r9)", "call *0x10(%rax)", "call *0x10(%rsp)"],
  ...["call *0x10(%r12)", "call *0x1000(%rbx)", "call *0x1000(%r12)", "call *0x1000(%rip)", "call *(%rax,%rbx,8)"],
  ...["call *0x1000(,%rbx,8)", "call *0x20(%r13,%r14,4)", "call *(%rsp)"],
];
const OTHERS = [
  "nop; nop; nop; nop; nop; nop; nop",
  "mov %rax, %rbx; jmp *%rax",
  "push 0x10(%rax); jmp *0x10(%rax)",
  "incl (%rax); nop; nop",
];

/** The bytes that GNU as makes of some x86-64 instructions. */
function assemble(source: string): Uint8Array {
  const folder = mkdtempSync(join(tmpdir(), "stopcode-as-"));
  try {
    writeFileSync(join(folder, "code.s"), `${source}\n`);
    spawnSync("as", ["--64", "-o", join(folder, "code.o"), join(folder, "code.s")]);
    const dump = spawnSync("objdump", ["-d", "--insn-width=16", join(folder, "code.o")], { encoding: "utf8" }).stdout;
    const bytes = [...dump.matchAll(/^\s+[0-9a-f]+:\t((?:[0-9a-f]{2} )+)/gm)].flatMap((match) =>
      match[1]!.trim().split(" "),
    );
    return Uint8Array.from(bytes, (byte) => Number.parseInt(byte, 16));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

withPeers({ program: "as" }, { program: "objdump" }).describe(
  "against GNU as: a return address stands behind a call",
  () => {
    const { it } = withPeers({ program: "as" }, { program: "objdump" });

    it.each(CALLS)("%s", (call) => {
      const code = assemble(call);
      expect(code.length).toBeGreaterThan(1);
      expect(followsCall(Uint8Array.from([...Array(8).fill(0x90), ...code]).slice(-8))).toBe(true);
    });

    it.each(OTHERS)("%s is none", (source) => {
      expect(followsCall(assemble(source).slice(-8))).toBe(false);
    });

    it("exits that compilers write are found behind other code", () => {
      const rest = "test %eax, %eax; mov 0x50(%rsp), %rbx; ";
      const r11 = "lea 0x50(%rsp), %r11; mov 0x30(%r11), %rbx; mov %r11, %rsp; pop %r15; pop %rdi; ret";
      expect(findEpilog(assemble(`${rest} add $0x40, %rsp; pop %rdi; ret`))).toEqual({ from: 4, add: 0x40, pops: [7] });
      expect(findEpilog(assemble(`${rest} ${r11}`))).toEqual({ from: 4, add: 0x50, pops: [15, 7] });
      expect(findEpilog(assemble(`${rest} lea 0x28(%rbp), %rsp; pop %rbp; ret`))).toEqual({
        from: 5,
        add: 0x28,
        pops: [5],
      });
      expect(
        findEpilog(assemble(`${rest} jmp *%rax; int3; int3; add $0x40, %rsp; ret`)),
        "the next function's",
      ).toBeNull();
    });
  },
);

describe("the start of a function is no return address", () => {
  const prolog = Uint8Array.from([0x48, 0x83, 0xec, 0x28]);
  it("at an aligned address only", () => {
    expect(isPrologStart(prolog, 0xffff_f800_0000_1010n)).toBe(true);
    expect(isPrologStart(prolog, 0xffff_f800_0000_1013n)).toBe(false);
    expect(isPrologStart(Uint8Array.from([0x90, 0x90, 0x90]), 0xffff_f800_0000_1010n)).toBe(false);
  });
});
