import * as Args from "@oclif/core/args";
import { StopcodeCommand, scenarioScreen } from "../../src/terminal/index.ts";

export default class HostCheck extends StopcodeCommand {
  static override summary = "Check a scenario file without running it";
  static override examples = ["<%= config.bin %> <%= command.id %> fixtures/scenarios/pte-leak.yaml"];
  static override args = {
    scenario: Args.string({ required: true, description: "the scenario file (YAML)" }),
  };

  async run() {
    const { args } = await this.parse(HostCheck);
    const { readScenario } = await import("../../src/pipeline/index.ts");
    return this.answer(await readScenario(args.scenario), scenarioScreen);
  }
}
