import { homeFlag, prose, rebuildScreen, StopcodeCommand } from "../../src/terminal/index.ts";

export default class HistoryRebuild extends StopcodeCommand {
  static override summary = "Make the index again from the crash folders";
  static override description =
    prose`The crash folders are the truth: journal and index are written anew from them. Folders that are not whole are
listed and left alone.`;
  static override examples = ["<%= config.bin %> <%= command.id %>"];
  static override flags = { ...homeFlag };

  async run() {
    const { flags } = await this.parse(HistoryRebuild);
    const { rebuildHistory } = await import("../../src/history/index.ts");
    return this.answer(await rebuildHistory(this.homeFolder(flags)), rebuildScreen);
  }
}
