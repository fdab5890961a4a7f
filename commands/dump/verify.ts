import * as Args from "@oclif/core/args";
import { prose, StopcodeCommand, verifyScreen } from "../../src/terminal/index.ts";

export default class DumpVerify extends StopcodeCommand {
  static override summary = "Check that a crash folder or a dump is whole and unchanged";
  static override description =
    prose`A crash folder is checked against its manifest: every file's size and sha256, the dump's page map, the sealed
pages' header. A dump file alone is checked as far as its format allows: every page the map promises must be readable.

Exit code 1 when something is missing, cut off or changed.`;
  static override examples = [
    "<%= config.bin %> <%= command.id %> ~/.local/share/stopcode/20260115T031241Z-web-k3f9q2",
  ];
  static override args = {
    path: Args.string({ required: true, description: "a crash folder or a dump file" }),
  };

  async run() {
    const { args } = await this.parse(DumpVerify);
    const { verify } = await import("../../src/archive/index.ts");
    const result = await verify(args.path, { onProgress: (progress) => this.progress.update(progress) });
    if (!result.whole) this.badNews();
    return this.answer(result, verifyScreen);
  }
}
