import * as Args from "@oclif/core/args";
import { crashScreen, homeFlag, StopcodeCommand } from "../../src/terminal/index.ts";

export default class HistoryShow extends StopcodeCommand {
  static override summary = "Show one recorded crash: its facts, its findings, its files";
  static override examples = ["<%= config.bin %> <%= command.id %> 20260115T0312"];
  static override args = {
    crash: Args.string({ required: true, description: "the crash's id; its beginning is enough" }),
  };
  static override flags = { ...homeFlag };

  async run() {
    const { args, flags } = await this.parse(HistoryShow);
    const { showCrash } = await import("../../src/pipeline/index.ts");
    return this.answer(await showCrash(this.homeFolder(flags), args.crash), crashScreen);
  }
}
