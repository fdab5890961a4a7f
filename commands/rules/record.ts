import * as Args from "@oclif/core/args";
import * as Flags from "@oclif/core/flags";
import { chosenPacks, homeFlag, packFlags, prose, recordedScreen, StopcodeCommand } from "../../src/terminal/index.ts";

export default class RulesRecord extends StopcodeCommand {
  static override summary = "Make a test case of what a rule says to a real crash";
  static override description =
    prose`The case expects what the rule says today, and holds the facts that the rule read and no others: it is small, and tells no
more of the machine than it must. Read it before you share it all the same.

Without --to it is printed, for the list \`cases\` of a file of tests.`;
  static override examples = [
    "<%= config.bin %> <%= command.id %> MEMORY.DMP --rule windows-core/driver-bad-address",
    "<%= config.bin %> <%= command.id %> 20260115T0312 --rules acme.yaml --rule acme-bad-address --to acme.test.yaml",
  ];
  static override args = {
    target: Args.string({
      required: true,
      description: "a dump file, or the id of a recorded crash (its beginning is enough)",
    }),
  };
  static override flags = {
    ...homeFlag,
    ...packFlags,
    rule: Flags.string({ required: true, helpValue: "RULE", summary: "The rule to ask: its id, or pack/id." }),
    to: Flags.string({ helpValue: "FILE", summary: "Add the case to these tests, or begin them with it." }),
  };

  async run() {
    const { args, flags } = await this.parse(RulesRecord);
    const { recordTarget } = await import("../../src/pipeline/index.ts");
    const asked = { rule: flags.rule, file: flags.to ?? null };
    return this.answer(
      await recordTarget(this.homeFolder(flags), args.target, chosenPacks(flags), asked),
      recordedScreen,
    );
  }
}
