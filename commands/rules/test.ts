import * as Args from "@oclif/core/args";
import { packTestsScreen, prose, StopcodeCommand } from "../../src/terminal/index.ts";

export default class RulesTest extends StopcodeCommand {
  static override summary = "Run the tests that stand beside rule packs";
  static override description =
    prose`A pack \`name.yaml\` is tested by \`name.test.yaml\` beside it. A stable rule needs a case in which it fires and one in
which it stays quiet. Exit code 1 when a case fails or one is missing.`;
  static override strict = false;
  static override examples = ["<%= config.bin %> <%= command.id %> my-pack.yaml"];
  static override args = {
    packs: Args.string({ description: "packs or folders of packs; the default is the shipped ones" }),
  };

  async run() {
    const { argv } = await this.parse(RulesTest);
    const { shippedPacks, testPacks } = await import("../../src/rules/index.ts");
    const run = testPacks(argv.length === 0 ? [shippedPacks] : (argv as string[]));
    if (!run.passed) this.badNews();
    return this.answer(run, packTestsScreen);
  }
}
