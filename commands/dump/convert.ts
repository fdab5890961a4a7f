import * as Args from "@oclif/core/args";
import * as Flags from "@oclif/core/flags";
import { convertScreen, prose, StopcodeCommand } from "../../src/terminal/index.ts";

export default class DumpConvert extends StopcodeCommand {
  static override summary = "Write a dump's pages in another format";
  static override description =
    prose`Reads any dump that has a page map (Windows full and bitmap, ELF, kdump-compressed, flattened) and writes it as
an ELF vmcore (which crash, gdb, drgn and makedumpfile open) or, for Windows, as a full or bitmap dump (which WinDbg opens).`;
  static override examples = [
    "<%= config.bin %> <%= command.id %> vmcore.flat --to elf-vmcore --output vmcore.elf",
    "<%= config.bin %> <%= command.id %> guest.elf --to windows-bitmap --output MEMORY.DMP",
  ];
  static override args = {
    file: Args.string({ required: true, description: "the dump" }),
  };
  static override flags = {
    to: Flags.option({
      options: ["elf-vmcore", "windows-bitmap", "windows-full"] as const,
      required: true,
      summary: "Format to write.",
    })(),
    output: Flags.string({
      required: true,
      char: "o",
      helpValue: "FILE",
      summary: "Where to write it; it must not exist.",
    }),
  };

  async run() {
    const { args, flags } = await this.parse(DumpConvert);
    const { convertDump } = await import("../../src/archive/index.ts");
    const result = await convertDump(args.file, {
      format: flags.to,
      target: flags.output,
      onProgress: (progress) => this.progress.update(progress),
    });
    return this.answer(result, convertScreen);
  }
}
