import * as Flags from "@oclif/core/flags";
import { prose, rulesBenchScreen, StopcodeCommand } from "../../src/terminal/index.ts";

export default class BenchRules extends StopcodeCommand {
  static override summary = "Measure the rule engine on a large log, and hold it against hostile packs";
  static override description =
    prose`200 made rules, with patterns and conditions of the kinds that people write, are asked about a log of 10 MB and 5,000
facts. The first time counts, as a command takes it: loading the pack and asking it, at most 2 s. Later rounds say what each part takes.
All times are processor time of this process, so that other work on the machine does not count.

Beside it stand other ways to find the same lines: every pattern on every line, by re2js and by JavaScript's RegExp. Then packs
that want to hold the program up are read and asked: each is refused or harmless, and none takes more than a second.`;
  static override examples = [
    "<%= config.bin %> <%= command.id %>",
    "<%= config.bin %> <%= command.id %> --check --json",
  ];
  static override flags = {
    seed: Flags.integer({ default: 1, helpValue: "N", summary: "Seed of rules, log and facts." }),
    check: Flags.boolean({ summary: "Exit with code 1 when something takes longer than it may." }),
  };

  async run() {
    const { flags } = await this.parse(BenchRules);
    const { benchRules } = await import("../../src/bench/index.ts");
    const bench = benchRules(flags.seed, (progress) => this.progress.step({ phase: progress.what, ...progress }));
    if (flags.check && !bench.met) this.badNews();
    return this.answer(bench, rulesBenchScreen);
  }
}
