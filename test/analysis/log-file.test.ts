import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { readLogFile } from "../../src/analysis/index.ts";
import { temporaryFolder } from "../seal/folder.ts";

const folder = temporaryFolder();
const fileOf = (name: string, bytes: string | Uint8Array): string => {
  writeFileSync(join(folder, name), bytes);
  return join(folder, name);
};

describe("a log file", () => {
  it("is a record a line, without what consoles and dmesg write before the text", () => {
    const lines = [
      "Booting Linux",
      "[    0.000000] Linux version 6.1.0",
      "[   12.345678][ T1234] EXT4-fs error (device sda1)",
      "[  401.5][   C3] watchdog: BUG: soft lockup",
      "<3>[   13.000001] I/O error, dev sda",
      "<30>[   14.000001] systemd[1]: Started",
      "",
      "[drm] initialized",
    ];
    const file = fileOf("console.log", `${lines.join("\r\n")}\n`);
    expect(readLogFile(file)).toEqual({
      complete: true,
      file,
      records: [
        { text: "Booting Linux" },
        { seconds: 0, text: "Linux version 6.1.0" },
        { seconds: 12.345678, text: "EXT4-fs error (device sda1)" },
        { seconds: 401.5, text: "watchdog: BUG: soft lockup" },
        { seconds: 13.000001, level: 3, text: "I/O error, dev sda" },
        { seconds: 14.000001, level: 6, text: "systemd[1]: Started" },
        { text: "" },
        { text: "[drm] initialized" },
      ],
    });
  });

  it("may hold colours, and stray bytes of a restart", () => {
    const file = fileOf("colours.log", `\u001b[32mOK\u001b[0m ${"started a service\n".repeat(9)}\0\0\n`);
    expect(readLogFile(file).records).toHaveLength(10);
  });

  it.each([
    ["nothing", "", "log/empty"],
    ["what is packed", gzipSync(Buffer.from("a log\n".repeat(1000).split("").sort().join("") + Math.PI)), "log/binary"],
    ["a dump", Buffer.concat([Buffer.from("PAGEDU64"), Buffer.alloc(4096)]), "log/binary"],
    ["more than a log of a day", Buffer.alloc(16 * 1024 * 1024 + 1, "a\n"), "log/too-large"],
  ])("is refused when it is %s", (name, bytes, code) => {
    const file = fileOf(name, bytes);
    expect(() => readLogFile(file)).toThrow(expect.objectContaining({ code, where: { file } }));
  });

  it.each(["no such file", "a folder"])("cannot be %s", (name) => {
    mkdirSync(join(folder, "a folder"), { recursive: true });
    expect(() => readLogFile(join(folder, name))).toThrow(expect.objectContaining({ code: "io/open" }));
  });
});
