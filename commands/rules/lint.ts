import * as Args from "@oclif/core/args";
import { lintScreen, PACK_SOURCES, StopcodeCommand, signedByFlag } from "../../src/terminal/index.ts";

export default class RulesLint extends StopcodeCommand {
  static override summary = "Check rule packs without asking them";
  static override description =
    "Names everything wrong with the packs, with file, line and column. Exit code 1 when something is.";
  static override strict = false;
  static override examples = ["<%= config.bin %> <%= command.id %> my-pack.yaml"];
  static override args = {
    packs: Args.string({ description: PACK_SOURCES }),
  };
  static override flags = { ...signedByFlag };

  async run() {
    const { argv, flags } = await this.parse(RulesLint);
    const { lintPacks } = await import("../../src/rules/index.ts");
    const result = lintPacks(argv as string[], flags["signed-by"]);
    if (result.problems.length > 0) this.badNews();
    return this.answer(result, lintScreen);
  }
}
