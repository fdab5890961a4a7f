import { benchHead, benchLine, StopcodeCommand } from "../../src/terminal/index.ts";

export default class BenchPaging extends StopcodeCommand {
  static override summary = "Measure the paging engines beside a raw memory access";
  static override description =
    `Reads and writes 8 bytes at random in sets of 16 KiB to 256 MiB through each engine: the pure walk, the walk behind a
tagged TLB, shadow page tables; one access at a time, and in runs, where addresses are translated together before they are used. Every
figure stands beside the raw typed-array access of the same run: look at the ratios, the times are this machine's.`;
  static override examples = ["<%= config.bin %> <%= command.id %>", "<%= config.bin %> <%= command.id %> --json"];

  async run() {
    await this.parse(BenchPaging);
    const { benchPaging } = await import("../../src/bench/index.ts");
    this.log(benchHead());
    return benchPaging((figure) => this.log(benchLine(figure)));
  }
}
