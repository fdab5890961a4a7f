import * as Args from "@oclif/core/args";
import * as Flags from "@oclif/core/flags";
import { prose, StopcodeCommand, signedScreen } from "../../src/terminal/index.ts";

export default class RulesSign extends StopcodeCommand {
  static override summary = "Sign a folder of rule packs, for those who load it with --signed-by";
  static override description =
    prose`Writes SHA256SUMS, the list of every file in the folder, packs and tests and all else (but .git and node_modules), and its
signature SHA256SUMS.sig, made by \`ssh-keygen\` with an Ed25519 key. Whoever has the public key can refuse a folder in
which anything was changed, added or taken away; so sign again after every change.

Without this program: \`ssh-keygen -Y verify -n stopcode-rules\` checks the signature, \`sha256sum -c SHA256SUMS\` the files.`;
  static override examples = [
    "<%= config.bin %> <%= command.id %> packs/ --key ~/.ssh/id_ed25519",
    "<%= config.bin %> diagnose MEMORY.DMP --rules packs/ --signed-by id_ed25519.pub",
  ];
  static override args = {
    folder: Args.string({ required: true, description: "the folder that holds the packs" }),
  };
  static override flags = {
    key: Flags.string({
      required: true,
      helpValue: "FILE",
      summary: "The private key; its .pub file when an SSH agent holds it.",
    }),
  };

  async run() {
    const { args, flags } = await this.parse(RulesSign);
    const { signFolder } = await import("../../src/rules/index.ts");
    return this.answer(signFolder(args.folder, flags.key), signedScreen);
  }
}
