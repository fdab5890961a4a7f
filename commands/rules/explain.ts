import * as Args from "@oclif/core/args";
import * as Flags from "@oclif/core/flags";
import {
  chosenPacks,
  explainScreen,
  homeFlag,
  packFlags,
  prose,
  ruleScreen,
  StopcodeCommand,
  stopCodeScreen,
} from "../../src/terminal/index.ts";

export default class RulesExplain extends StopcodeCommand {
  static override summary = "Explain a Windows stop code, or a rule: what it asks, and why it fired or did not";
  static override description =
    prose`A stop code is a number, always in hex with or without 0x (\`7B\` is 0x7B), or a name in upper or lower case. The parameters P1 to
P4 are as the blue screen or the event log shows them, in hex with 0x or in decimal; give as many as are known.
A code with the mark of an exception (0x1000007E) is explained as the code without it.

A rule is its id, or pack/id: without --crash its text is shown, with --crash what each of its conditions read in that
crash, and what came of it. What has a hyphen or a slash is a rule; with --crash or --rules, so is anything.`;
  static override examples = [
    "<%= config.bin %> <%= command.id %> 0x9F 3 0xffffab8f5b3ea060 0xfffff80236a6f7b0 0xffffab8f62ff2a20",
    "<%= config.bin %> <%= command.id %> driver_power_state_failure",
    "<%= config.bin %> <%= command.id %> driver-bad-address",
    "<%= config.bin %> <%= command.id %> acme-bad-address --rules acme.yaml --crash 20260115T0312",
  ];
  static override args = {
    subject: Args.string({ required: true, description: "the stop code's number or name, or a rule" }),
    p1: Args.string({ description: "the first parameter, which often decides what the others mean" }),
    p2: Args.string({ description: "the second parameter" }),
    p3: Args.string({ description: "the third parameter" }),
    p4: Args.string({ description: "the fourth parameter" }),
  };
  static override flags = {
    ...homeFlag,
    ...packFlags,
    crash: Flags.string({
      helpValue: "CRASH",
      summary: "What the rule says of this dump file or recorded crash, and why.",
    }),
  };

  async run() {
    const { args, flags } = await this.parse(RulesExplain);
    const { describeRule, explainStopCode, isRuleName } = await import("../../src/rules/index.ts");
    if (flags.crash !== undefined || flags.rules.length > 0 || isRuleName(args.subject)) {
      const { explainTarget, rulesOf } = await import("../../src/pipeline/index.ts");
      const packs = chosenPacks(flags);
      if (flags.crash === undefined) return this.answer(describeRule(args.subject, rulesOf(packs)), ruleScreen);
      const home = this.homeFolder(flags);
      return this.answer(
        await explainTarget(home, { target: flags.crash, log: undefined }, packs, args.subject),
        explainScreen,
      );
    }
    const parameters = [args.p1, args.p2, args.p3, args.p4].filter((text) => text !== undefined);
    return this.answer(explainStopCode(args.subject, parameters), stopCodeScreen);
  }
}
