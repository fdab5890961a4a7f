import * as Args from "@oclif/core/args";
import * as Flags from "@oclif/core/flags";
import { chosenPacks, homeFlag, packFlags, prose, RunTimeline, StopcodeCommand } from "../../src/terminal/index.ts";

export default class HostRun extends StopcodeCommand {
  static override summary = "Boot an emulated host, let it crash, collect, diagnose, arm, boot again";
  static override description =
    prose`Runs a scenario. When a partition stops, the dump agent outside it takes the dump (private pages sealed, stateless
partitions skipped), the rules say what is known and arm the checks for the next start, and the partition boots again, until the
culprit is identified or the boots are used up. Every crash is recorded in the history.

Exit code 1 when the scenario says how it must end (\`expect\`) and it ended otherwise.

The same scenario and seed give the same dumps, bit for bit.`;
  static override examples = [
    "<%= config.bin %> <%= command.id %> fixtures/scenarios/pte-leak.yaml",
    "<%= config.bin %> <%= command.id %> lab.yaml --seed 12 --boots 3 --json",
  ];
  static override args = {
    scenario: Args.string({ required: true, description: "the scenario file (YAML)" }),
  };
  static override flags = {
    ...homeFlag,
    boots: Flags.integer({
      min: 1,
      max: 1000,
      helpValue: "N",
      summary: "How often a partition may boot; the scenario says otherwise.",
    }),
    seed: Flags.integer({
      min: 0,
      helpValue: "N",
      summary: "Seed of everything that is random; the scenario says otherwise.",
    }),
    ...packFlags,
  };

  async run() {
    const { args, flags } = await this.parse(HostRun);
    const { runScenario } = await import("../../src/pipeline/index.ts");
    const timeline = new RunTimeline((line) => this.log(line), this.progress);
    const report = await runScenario(args.scenario, {
      home: this.homeFolder(flags),
      boots: flags.boots,
      seed: flags.seed,
      packs: chosenPacks(flags),
      onEvent: (event) => timeline.show(event),
    });
    if (report.unexpected !== null && report.unexpected.length > 0) this.badNews();
    return report;
  }
}
