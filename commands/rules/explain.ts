import * as Args from "@oclif/core/args";
import { prose, StopcodeCommand, stopCodeScreen } from "../../src/terminal/index.ts";

export default class RulesExplain extends StopcodeCommand {
  static override summary = "Explain a Windows stop code and its parameters, without a dump";
  static override description =
    prose`CODE is a number, always in hex with or without 0x (\`7B\` is 0x7B), or a name in upper or lower case. The parameters P1 to P4
are as the blue screen or the event log shows them, in hex with 0x or in decimal; give as many as are known.

A code with the mark of an exception (0x1000007E) is explained as the code without it.`;
  static override examples = [
    "<%= config.bin %> <%= command.id %> 0x9F 3 0xffffab8f5b3ea060 0xfffff80236a6f7b0 0xffffab8f62ff2a20",
    "<%= config.bin %> <%= command.id %> driver_power_state_failure",
  ];
  static override args = {
    code: Args.string({ required: true, description: "the stop code's number or name" }),
    p1: Args.string({ description: "the first parameter, which often decides what the others mean" }),
    p2: Args.string({ description: "the second parameter" }),
    p3: Args.string({ description: "the third parameter" }),
    p4: Args.string({ description: "the fourth parameter" }),
  };

  async run() {
    const { args } = await this.parse(RulesExplain);
    const { explainStopCode } = await import("../../src/rules/index.ts");
    const parameters = [args.p1, args.p2, args.p3, args.p4].filter((text) => text !== undefined);
    return this.answer(explainStopCode(args.code, parameters), stopCodeScreen);
  }
}
