import * as Flags from "@oclif/core/flags";

/** Who must have signed the packs that a command loads. */
export const signedByFlag = {
  "signed-by": Flags.string({
    helpValue: "FILE",
    summary: "Refuse packs that are not signed with a key in this file (a .pub file, or several of its lines).",
  }),
};

/** Which packs a command asks. */
export const packFlags = {
  rules: Flags.string({
    multiple: true,
    default: [],
    helpValue: "SOURCE",
    summary:
      "Rule packs to ask instead of the shipped ones: a file, a folder, or npm:NAME; npm:stopcode are the shipped ones.",
  }),
  ...signedByFlag,
};

/** The packs that the flags choose. */
export const chosenPacks = (flags: {
  readonly rules: readonly string[];
  readonly "signed-by"?: string | undefined;
}) => ({
  sources: flags.rules,
  signedBy: flags["signed-by"],
});

/** What a command's list of packs may hold, for its help. */
export const PACK_SOURCES = "packs: files, folders, or npm:NAME for a package's; the default is the shipped ones";
