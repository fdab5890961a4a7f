import * as Args from "@oclif/core/args";
import { dumpInfoScreen, StopcodeCommand } from "../../src/terminal/index.ts";

export default class DumpInfo extends StopcodeCommand {
  static override summary = "Show a dump's header and page map";
  static override description =
    "Reads the header and the page map, never the pages: it takes no longer for a large dump.";
  static override examples = ["<%= config.bin %> <%= command.id %> MEMORY.DMP"];
  static override args = {
    file: Args.string({ required: true, description: "the dump, or a crash folder" }),
  };

  async run() {
    const { args } = await this.parse(DumpInfo);
    const { dumpInfo } = await import("../../src/archive/index.ts");
    return this.answer(await dumpInfo(args.file), dumpInfoScreen);
  }
}
