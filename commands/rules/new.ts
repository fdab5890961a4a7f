import * as Args from "@oclif/core/args";
import * as Flags from "@oclif/core/flags";
import { newRuleScreen, prose, StopcodeCommand } from "../../src/terminal/index.ts";

export default class RulesNew extends StopcodeCommand {
  static override summary = "Write the draft of a rule, with tests that pass, to be changed into your own";
  static override description =
    prose`Makes a pack with one rule, and its tests beside it; or adds rule and tests to a pack that is there, where everything else
stays as it was written. No file is overwritten.

The rule is a draft: it passes \`rules lint\` and \`rules test\`, and \`diagnose\` does not ask it until its status says so.`;
  static override examples = [
    "<%= config.bin %> <%= command.id %> acme-bad-address",
    "<%= config.bin %> <%= command.id %> acme-stuck-request --in packs/acme.yaml",
  ];
  static override args = {
    id: Args.string({ required: true, description: "the rule's id: lower-case words joined by hyphens" }),
  };
  static override flags = {
    in: Flags.string({
      helpValue: "FILE",
      summary: "The pack, new or not; without it a new one named after the rule.",
    }),
  };

  async run() {
    const { args, flags } = await this.parse(RulesNew);
    const { newRule } = await import("../../src/rules/index.ts");
    return this.answer(newRule(args.id, flags.in), newRuleScreen);
  }
}
