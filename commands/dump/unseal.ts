import * as Args from "@oclif/core/args";
import * as Flags from "@oclif/core/flags";
import { prose, StopcodeCommand, unsealScreen } from "../../src/terminal/index.ts";

export default class DumpUnseal extends StopcodeCommand {
  static override summary = "Get the private pages of a crash back, with an identity of their owner";
  static override description =
    prose`Writes the private pages as an ELF core that crash, gdb and readelf open. private.age is a standard age file:
\`age -d -i IDENTITY private.age\` gives the same bytes. The dump of a machine has such a file for each owner.`;
  static override examples = [
    "<%= config.bin %> <%= command.id %> CRASH-FOLDER --identity owner.txt --output private.elf",
    "<%= config.bin %> <%= command.id %> CRASH-FOLDER --identity owner.txt --whole --output MEMORY.DMP",
  ];
  static override args = {
    folder: Args.string({ required: true, description: "the crash folder" }),
  };
  static override flags = {
    identity: Flags.string({
      required: true,
      multiple: true,
      char: "i",
      helpValue: "FILE",
      summary: "age identity file of the owner.",
    }),
    partition: Flags.string({
      helpValue: "NAME",
      summary: "Of the dump of a machine: whose private pages, where the identity opens those of several partitions.",
    }),
    whole: Flags.boolean({
      summary: "Write the whole dump, with the private pages back in place, instead of the private pages alone.",
    }),
    output: Flags.string({
      required: true,
      char: "o",
      helpValue: "FILE",
      summary: "Where to write it; it must not exist.",
    }),
  };

  async run() {
    const { args, flags } = await this.parse(DumpUnseal);
    const { unsealCrash } = await import("../../src/archive/index.ts");
    const result = await unsealCrash(args.folder, {
      identityFiles: flags.identity,
      target: flags.output,
      partition: flags.partition,
      whole: flags.whole,
      onProgress: (progress) => this.progress.update(progress),
    });
    return this.answer(result, unsealScreen);
  }
}
