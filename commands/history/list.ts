import * as Flags from "@oclif/core/flags";
import { historyScreen, homeFlag, StopcodeCommand } from "../../src/terminal/index.ts";

export default class HistoryList extends StopcodeCommand {
  static override summary = "List recorded crashes, newest first";
  static override examples = [
    "<%= config.bin %> <%= command.id %>",
    "<%= config.bin %> <%= command.id %> --host lab-1 --stop-code 0xd8 --json",
  ];
  static override flags = {
    ...homeFlag,
    host: Flags.string({ helpValue: "NAME", summary: "Only crashes of this host." }),
    partition: Flags.string({ helpValue: "NAME", summary: "Only crashes of this partition." }),
    "stop-code": Flags.string({ helpValue: "CODE", summary: "Only this stop code, as 0xD8." }),
    bucket: Flags.string({ helpValue: "ID", summary: "Only crashes of this bucket." }),
    culprit: Flags.string({ helpValue: "NAME", summary: "Only crashes laid to this culprit." }),
    since: Flags.string({ helpValue: "DATE", summary: "Only crashes from then on (2026-01-31 or with a time, UTC)." }),
    limit: Flags.integer({ default: 50, min: 1, helpValue: "N", summary: "At most this many." }),
  };

  async run() {
    const { flags } = await this.parse(HistoryList);
    const { listHistory } = await import("../../src/pipeline/index.ts");
    const { host, partition, bucket, culprit, since, limit } = flags;
    const filter = { host, partition, bucket, culprit, since, limit, stopCode: flags["stop-code"] };
    return this.answer(await listHistory(this.homeFolder(flags), filter), historyScreen);
  }
}
