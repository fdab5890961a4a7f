import { z } from "zod";
import { hex, type Random } from "../../binary/index.ts";
import type { Kernel } from "../kernel/kernel.ts";
import type { Services } from "../kernel/services.ts";
import { rate, size } from "../quantities.ts";
import { FILE_PRIORITIES, type FileDevice } from "../storage/file-device.ts";
import type { Thread } from "../threads/thread.ts";
import type { Routine } from "../threads/wait.ts";

/** What a process reads from its files, as a scenario asks for it. */
export const fileReads = z.strictObject({
  rate: rate.prefault("20 per second").meta({ description: "Reads, where none has to be waited for" }),
  bytes: size.prefault("64 KiB").meta({ description: "Of each read" }),
  files: size.prefault("64 MiB").meta({ description: "Of all its files together, on the host's disk" }),
  order: z.enum(["sequential", "random"]).default("random"),
  priority: z
    .enum(FILE_PRIORITIES)
    .default("normal")
    .meta({ description: "What it asks for, of other files' readers" }),
});

export type FileReads = z.output<typeof fileReads>;

/** Where the files of one process lie among those of its partition. */
export interface ProcessFiles {
  readonly device: FileDevice;
  /** Bytes. */
  readonly offset: number;
}

/** What a thread does that reads files, one request after another. What cannot be read is told on the console, and passed over. */
export function* readFiles(
  kernel: Kernel,
  services: Services,
  thread: Thread,
  { wanted, files, random, name }: { wanted: FileReads; files: ProcessFiles; random: Random; name: string },
): Routine {
  const places = Math.max(1, Math.floor(wanted.files / wanted.bytes));
  for (let next = 0; ; next++) {
    yield* services.delayInUserMode(thread, random.between(0.5, 1.5) / wanted.rate);
    const place = (wanted.order === "sequential" ? next % places : random.below(places)) * wanted.bytes;
    const status = yield* services.ntReadFile(thread, (done) =>
      files.device.read(files.offset + place, Math.min(wanted.bytes, wanted.files), wanted.priority, done),
    );
    if (status !== 0)
      kernel.print(`${name}: ${wanted.bytes} bytes at ${hex(place)} of its files cannot be read: ${hex(status)}`);
  }
}
