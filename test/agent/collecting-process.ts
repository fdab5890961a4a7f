// Collects one crash of a plain twin in a process of its own, so that it can be killed or run out of disk.
// Arguments: the archive's folder; a recipient; what befalls it: `nothing`, `kill N` (at the N-th step), `fill` (the disk is filled
// up by another while it writes).
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { collect } from "../../src/agent/index.ts";
import type { StopcodeError } from "../../src/binary/index.ts";
import { MemoryHost, notice, partition, policy } from "./memory-host.ts";

const [home, recipient, fate, count] = process.argv.slice(2) as [string, string, string, string?];
let steps = 0;

function step(): void {
  if (fate === "kill" && ++steps === Number(count)) process.kill(process.pid, "SIGKILL");
  if (fate === "fill" && steps++ === 0)
    try {
      writeFileSync(join(home, "filler"), new Uint8Array(64 * 1024 * 1024));
    } catch {
      // That is the point: the disk is full now.
    }
}

const web = partition("web", {
  pageCount: 4096,
  privatePages: [{ firstPage: 1000, pageCount: 1000 }],
  policy: policy({ recipients: [recipient] }),
});

process.stdout.write("begin\n");
try {
  const collected = await collect(new MemoryHost(web), notice("web"), { home, boot: 1, armed: [], onProgress: step });
  step();
  collected.addFile("facts.json", "{}\n");
  step();
  collected.finish();
  step();
  process.stdout.write(`finished after ${steps} steps\n`);
} catch (error) {
  const { code, message, where, hint, exitCode } = error as StopcodeError;
  process.stdout.write(`${JSON.stringify({ code, message, where, hint, exitCode })}\n`);
}
