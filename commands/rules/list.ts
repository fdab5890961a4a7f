import * as Args from "@oclif/core/args";
import { PACK_SOURCES, packsScreen, StopcodeCommand, signedByFlag } from "../../src/terminal/index.ts";

export default class RulesList extends StopcodeCommand {
  static override summary = "List rule packs and their rules";
  static override strict = false;
  static override examples = [
    "<%= config.bin %> <%= command.id %>",
    "<%= config.bin %> <%= command.id %> my-pack.yaml",
  ];
  static override args = {
    packs: Args.string({ description: PACK_SOURCES }),
  };
  static override flags = { ...signedByFlag };

  async run() {
    const { argv, flags } = await this.parse(RulesList);
    const { listPacks } = await import("../../src/rules/index.ts");
    return this.answer(listPacks(argv as string[], flags["signed-by"]), packsScreen);
  }
}
