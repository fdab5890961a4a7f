import * as Args from "@oclif/core/args";
import * as Flags from "@oclif/core/flags";
import {
  chosenPacks,
  diagnosisScreen,
  explainScreen,
  homeFlag,
  packFlags,
  prose,
  StopcodeCommand,
} from "../src/terminal/index.ts";

export default class Diagnose extends StopcodeCommand {
  static override summary = "Say what broke it, and which checks would tell more";
  static override description =
    prose`Asks the rule packs about a dump file or a recorded crash. Findings come best first; a rule whose facts
are missing is reported as skipped, never as passed.

Exit code 1 with --fail-on when a finding is at least that sure.`;
  static override examples = [
    "<%= config.bin %> <%= command.id %> MEMORY.DMP",
    "<%= config.bin %> <%= command.id %> 20260115T031241Z-web-k3f9q2",
    "<%= config.bin %> <%= command.id %> --log console.log",
    "<%= config.bin %> <%= command.id %> vmcore --explain linux-list-corruption",
  ];
  static override args = {
    target: Args.string({
      description: "a dump file, or the id of a recorded crash (its beginning is enough); not needed with --log",
    }),
  };
  static override flags = {
    ...homeFlag,
    ...packFlags,
    log: Flags.string({
      helpValue: "FILE",
      summary:
        "A log kept outside of the dump (serial console, netconsole, dmesg): alone, or in place of the dump's own.",
    }),
    explain: Flags.string({
      helpValue: "RULE",
      summary: "Show why this rule fired, or which of its conditions did not hold.",
    }),
    "fail-on": Flags.option({
      options: ["identified", "probable", "suspect"] as const,
      summary: "Exit 1 when a finding is at least this sure.",
    })(),
  };

  async run() {
    const { args, flags } = await this.parse(Diagnose);
    const { diagnoseTarget, explainTarget, reaches } = await import("../src/pipeline/index.ts");
    const home = this.homeFolder(flags);
    const packs = chosenPacks(flags);
    const target = { target: args.target, log: flags.log };
    if (flags.explain !== undefined)
      return this.answer(await explainTarget(home, target, packs, flags.explain), explainScreen);
    const diagnosis = this.answer(await diagnoseTarget(home, target, packs), diagnosisScreen);
    if (args.target !== undefined) this.partlyRead(args.target, diagnosis.facts.dump);
    if (flags["fail-on"] && reaches(diagnosis.findings, flags["fail-on"])) this.badNews();
    return diagnosis;
  }
}
