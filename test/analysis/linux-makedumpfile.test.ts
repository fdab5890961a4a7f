import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import { linuxFacts } from "../../src/analysis/linux/index.ts";
import { openDump } from "../../src/dumpfile/index.ts";
import { withPeers } from "../peers.ts";
import { dmesgText, linuxDumpPath } from "./linux-answers.ts";

const { it } = withPeers({ program: "makedumpfile" }, { data: "linux/expected.json" });

// Debian's makedumpfile has no snappy and no zstd, believes the wrong phys_base of QEMU's kdumps and cannot read QEMU's ELF
// (linux-vmcore.md 11): of the six dumps this one is left.
it("the log is what makedumpfile --dump-dmesg writes", async () => {
  const path = linuxDumpPath("mkdf-list-6.12.d31.kdump");
  const folder = mkdtempSync(join(tmpdir(), "stopcode-"));
  try {
    const written = join(folder, "dmesg");
    const peer = spawnSync("makedumpfile", ["--dump-dmesg", path, written], { encoding: "utf8" });
    expect(peer.status, peer.stdout + peer.stderr).toBe(0);
    const dump = await openDump(path);
    const facts = linuxFacts(dump);
    dump.close();
    expect(dmesgText(facts.log?.records ?? [])).toBe(readFileSync(written, "utf8"));
  } finally {
    rmSync(folder, { recursive: true });
  }
});
