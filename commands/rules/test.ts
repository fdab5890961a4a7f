import * as Args from "@oclif/core/args";
import * as Flags from "@oclif/core/flags";
import {
  coverageScreen,
  PACK_SOURCES,
  packTestsScreen,
  prose,
  StopcodeCommand,
  signedByFlag,
} from "../../src/terminal/index.ts";

export default class RulesTest extends StopcodeCommand {
  static override summary = "Run the tests that stand beside rule packs";
  static override description =
    prose`A pack \`name.yaml\` is tested by \`name.test.yaml\` beside it. A stable rule needs a case in which it fires and one in
which it stays quiet. A case with \`todo\` is known not to hold yet: it is run and shown, and fails nothing.

Exit code 1 when a case fails or one is missing.`;
  static override strict = false;
  static override examples = [
    "<%= config.bin %> <%= command.id %> my-pack.yaml",
    "<%= config.bin %> <%= command.id %> my-pack.yaml --run acme-bad-address",
    "<%= config.bin %> <%= command.id %> packs/ --coverage --junit results.xml",
  ];
  static override args = {
    packs: Args.string({ description: PACK_SOURCES }),
  };
  static override flags = {
    run: Flags.string({
      helpValue: "TEXT",
      summary: "Only the cases with this in their name, written `pack/rule: name`.",
    }),
    coverage: Flags.boolean({
      summary: "Show what no case shows: rules that never fire or stay quiet, conditions that decide nothing.",
      exclusive: ["run"],
    }),
    junit: Flags.string({ helpValue: "FILE", summary: "Write the results as JUnit XML too, for a CI server." }),
    ...signedByFlag,
  };

  async run() {
    const { argv, flags } = await this.parse(RulesTest);
    const { shippedPacks, testPacks, writeJUnit } = await import("../../src/rules/index.ts");
    const sources = argv.length === 0 ? [shippedPacks] : (argv as string[]);
    const run = testPacks(sources, { only: flags.run, signedBy: flags["signed-by"] });
    if (flags.junit !== undefined) writeJUnit(run, flags.junit);
    if (!run.passed) this.badNews();
    return this.answer(run, (document) =>
      flags.coverage ? `${packTestsScreen(document)}\n${coverageScreen(document)}` : packTestsScreen(document),
    );
  }
}
