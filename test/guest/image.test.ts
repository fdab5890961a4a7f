import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect } from "vitest";
import { withPeers } from "../peers.ts";
import { crashed, LEAK } from "./lab.ts";

const { it, describe } = withPeers({ program: "objdump" });

describe("an image in a stopped guest's memory, as binutils reads it", () => {
  const folder = mkdtempSync(join(tmpdir(), "guest-image-"));
  const file = (name: string) => join(folder, name);
  afterAll(() => rmSync(folder, { recursive: true }));
  beforeAll(async () => {
    const { view } = await crashed(LEAK);
    // Sections lie in memory where their file offsets say, so memory is a file.
    for (const { name, dllBase, sizeOfImage } of view.modules)
      writeFileSync(file(name), view.memory.read(dllBase, sizeOfImage));
  });
  // Section flags that only Windows has make binutils warn.
  const objdump = (...options: string[]) => execFileSync("objdump", options, { encoding: "utf8", stdio: "pipe" });

  it("is PE32+ for x86-64, with its name, its exports and its program database", () => {
    const text = objdump("-p", file("ntoskrnl.exe"));
    expect(text).toContain("file format pei-x86-64");
    expect(text).toMatch(/Magic\s+020b/);
    expect(text).toMatch(/Name\s+[0-9a-f]+ ntoskrnl\.exe/);
    for (const name of ["KeBugCheckEx", "LabCheckRecords", "NtBuildLab"])
      expect(text).toMatch(new RegExp(`\\b${name}\\b`));
    expect(text).toContain("ntoskrnl.pdb");
  });

  it("has unwind information for every function that says what its prolog does, instruction by instruction", () => {
    for (const name of ["ntoskrnl.exe", "hal.dll", "leakdrv.sys", "diskwatch.sys"]) {
      const bytes = readFileSync(file(name));
      const prologs = prologsOf(objdump("-d", "--no-show-raw-insn", file(name)));
      const table = objdump("-p", file(name)).split("interpreted .pdata section contents)")[1]!;
      const functions = [...table.matchAll(/^ [0-9a-f]+:\t([0-9a-f]+) ([0-9a-f]+) ([0-9a-f]+)/gm)];
      expect(functions.length).toBeGreaterThan(1);
      for (const [, begin, , unwind] of functions) {
        const start = Number.parseInt(begin!, 16);
        const at = Number.parseInt(unwind!, 16);
        const [prologBytes, slots] = [bytes[at + 1]!, bytes[at + 2]!];
        const told: string[] = [];
        for (let slot = 0; slot < slots; ) {
          const [offset, code] = [bytes[at + 4 + slot * 2]!, bytes[at + 5 + slot * 2]!];
          if ((code & 15) === 0) told.push(`${start + offset} push ${REGISTERS[code >> 4]}`);
          if ((code & 15) === 1) told.push(`${start + offset} sub ${bytes.readUInt16LE(at + 6 + slot * 2) * 8}`);
          if ((code & 15) === 2) told.push(`${start + offset} sub ${(code >> 4) * 8 + 8}`);
          slot += (code & 15) === 1 ? 2 : 1;
        }
        const done = prologs.filter(({ end }) => end > start && end <= start + prologBytes);
        expect(done.map(({ end, text }) => `${end} ${text}`).reverse()).toEqual(told);
      }
    }
  });

  it("is code from end to end: every instruction of .text decodes", () => {
    for (const name of ["ntoskrnl.exe", "hal.dll", "leakdrv.sys"])
      expect(objdump("-d", file(name))).not.toContain("(bad)");
  });
});

const REGISTERS = [
  "rax",
  "rcx",
  "rdx",
  "rbx",
  "rsp",
  "rbp",
  "rsi",
  "rdi",
  "r8",
  "r9",
  "r10",
  "r11",
  "r12",
  "r13",
  "r14",
  "r15",
];

/** Pushes and `sub rsp` of a disassembly, with the address behind each. */
function prologsOf(disassembly: string): { end: number; text: string }[] {
  const lines = [...disassembly.matchAll(/^ +([0-9a-f]+):\t(.*)$/gm)].map(([, address, text]) => ({
    at: Number.parseInt(address!, 16),
    text: text!.trim(),
  }));
  return lines.flatMap(({ text }, index) => {
    const end = lines[index + 1]?.at ?? 0;
    const push = /^push +%(\w+)$/.exec(text);
    const sub = /^sub +\$0x([0-9a-f]+),%rsp$/.exec(text);
    if (push) return [{ end, text: `push ${push[1]}` }];
    return sub ? [{ end, text: `sub ${Number.parseInt(sub[1]!, 16)}` }] : [];
  });
}
