import * as Args from "@oclif/core/args";
import * as Flags from "@oclif/core/flags";
import { factsScreen, prose, StopcodeCommand } from "../src/terminal/index.ts";

export default class Analyze extends StopcodeCommand {
  static override summary = "Say what is known about a dump";
  static override description =
    prose`Reads a Windows dump (full, bitmap, triage) or a Linux vmcore (ELF, kdump-compressed, flattened), works out the
facts (stop code or panic, process, modules, stack, log) and prints them. Nothing is changed and nothing leaves the machine.`;
  static override examples = [
    "<%= config.bin %> <%= command.id %> MEMORY.DMP",
    "<%= config.bin %> <%= command.id %> vmcore --json",
    "<%= config.bin %> <%= command.id %> mini.dmp --images drivers/",
  ];
  static override args = {
    file: Args.string({ required: true, description: "the dump" }),
  };
  static override flags = {
    images: Flags.string({
      multiple: true,
      helpValue: "DIR",
      summary: "Folder of driver images (.sys) that the dump does not hold; their unwind tables make the stack exact.",
    }),
  };

  async run() {
    const { args, flags } = await this.parse(Analyze);
    const { analyze } = await import("../src/analysis/index.ts");
    const facts = await analyze(args.file, { images: flags.images ?? [] });
    this.partlyRead(args.file, facts.dump);
    return this.answer(facts, factsScreen);
  }
}
