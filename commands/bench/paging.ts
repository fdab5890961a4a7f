import * as Flags from "@oclif/core/flags";
import { pagingBenchScreen, StopcodeCommand } from "../../src/terminal/index.ts";

export default class BenchPaging extends StopcodeCommand {
  static override summary = "Measure the paging engines beside a raw memory access";
  static override description =
    `Four parts, each through the engines it concerns: the pure walk, the walk behind a tagged TLB, shadow page tables.

access: 8 bytes at random in 16 KiB to 256 MiB, one by one, and in runs (translated together before use).
fills: a hidden fault that fills one leaf of the shadow tables, and a leaf where it fills 32.
streams: hidden faults, flag writes, times and refills of a sequential stream, a loop, and the traces given.
large: which 2 MiB regions of a partition are mapped large within one fill, and how fast they are split and joined.

A trace is an address stream (lines "l|s 0xADDRESS N") or a string of page numbers ("*" for a checkpoint), packed by gzip or not.

Every figure stands beside the raw typed-array access of the same run, and beside its goal where it has one: look at the ratios,
the times are this machine's. It takes two to three minutes; on a machine that does other work the figures say little.`;
  static override examples = [
    "<%= config.bin %> <%= command.id %>",
    "<%= config.bin %> <%= command.id %> --only streams --trace gcc.trace.gz --trace sprite.trace.gz",
    "<%= config.bin %> <%= command.id %> --check --json",
  ];
  static override flags = {
    only: Flags.option({
      options: ["access", "fills", "streams", "large"] as const,
      multiple: true,
      summary: "Measure this part alone; may be given more than once.",
    })(),
    trace: Flags.string({
      multiple: true,
      helpValue: "FILE",
      summary: "An address stream or a page string to measure among the streams; may be given more than once.",
    }),
    check: Flags.boolean({ summary: "Exit with code 1 when a goal is missed." }),
  };

  async run() {
    const { flags } = await this.parse(BenchPaging);
    const { benchPaging } = await import("../../src/bench/index.ts");
    const bench = await benchPaging({ parts: flags.only ?? [], traces: flags.trace ?? [] }, (progress) =>
      this.progress.step({ phase: `measuring ${progress.what}`, ...progress }),
    );
    if (flags.check && bench.goals.some(({ met }) => !met)) this.badNews();
    return this.answer(bench, pagingBenchScreen);
  }
}
