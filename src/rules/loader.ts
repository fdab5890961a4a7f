import { readdirSync, statSync } from "node:fs";
import { dirname, join, parse, resolve } from "node:path";
import { StopcodeError, whereText } from "../binary/index.ts";
import { type DocumentProblem, isProblems, readText, refusal } from "../document/index.ts";
import { packKind } from "./document-kinds.ts";
import { readPack } from "./pack.ts";
import { shippedPacks, sourcePath } from "./pack-sources.ts";
import type { Rule, RulePack } from "./rule.ts";
import { signedTexts, type TextCheck } from "./signed-folder.ts";

/** The tests of a pack stand beside it under this name: `acme.test.yaml` for `acme.yaml`. */
export const testsOf = (packFile: string): string => {
  const { dir, name, ext } = parse(packFile);
  return join(dir, `${name}.test${ext}`);
};

/**
 * The pack files that sources stand for: a folder for the `.yaml` files in it, in the order of their names, all else for itself.
 * @throws StopcodeError `rules/no-packs` for a folder without any, `rules/package` for a package that is not there
 */
export function packFiles(sources: readonly string[]): string[] {
  const files = sources.flatMap((source) => {
    const path = sourcePath(source);
    if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) return [path];
    const names = readdirSync(path).filter((name) => /(?<!\.test)\.ya?ml$/.test(name));
    if (names.length === 0) {
      throw new StopcodeError("rules/no-packs", "there are no packs in this folder", {
        where: { file: path },
        hint: "a pack is a .yaml file in the folder itself, not further down",
      });
    }
    return names.sort().map((name) => join(path, name));
  });
  return [...new Set(files)];
}

/** The packs that ship are part of the program: nobody asks for their signature. */
function textCheck(files: readonly string[], signedBy: string | undefined): TextCheck {
  if (signedBy === undefined) return () => {};
  const isShipped = (file: string) => resolve(dirname(file)) === resolve(shippedPacks);
  const check = signedTexts(
    files.filter((file) => !isShipped(file)),
    signedBy,
  );
  return (file, text) => {
    if (!isShipped(file)) check(file, text);
  };
}

/**
 * Reads packs and says all that is wrong with them, for `rules lint`. Packs with problems are not among the `packs`.
 *
 * @param signedBy a file of public keys, one of which must have signed the packs
 * @throws StopcodeError `io/open` or `rules/too-large` for a file that cannot be read at all; `rules/unsigned` or `rules/sign…` for
 *   one that is not as it was signed
 */
export function readPacks(
  sources: readonly string[] = [shippedPacks],
  signedBy?: string,
): {
  packs: RulePack[];
  problems: DocumentProblem[];
  warnings: DocumentProblem[];
  /** What every other text that comes with the packs must pass. */
  check: TextCheck;
} {
  const packs: RulePack[] = [];
  const problems: DocumentProblem[] = [];
  const warnings: DocumentProblem[] = [];
  const files = packFiles(sources);
  const check = textCheck(files, signedBy);
  for (const file of files) {
    const text = readText(packKind, file);
    check(file, text);
    const reading = readPack(file, text);
    problems.push(...reading.problems);
    if (reading.pack === null) continue;
    const { pack, document } = reading;
    warnings.push(...reading.warnings);
    const clashes = duplicates(pack, packs).map(({ rule, message }) =>
      document.problem("rules/duplicate", message, ["rules", pack.rules.indexOf(rule), "id"]),
    );
    problems.push(...clashes);
    if (clashes.length === 0) packs.push(pack);
  }
  return { packs, problems, warnings, check };
}

/**
 * Loads packs, or refuses them: a pack with anything wrong in it is an error, never a rule less.
 *
 * @throws StopcodeError with the file, line and column of the first problem
 */
export function loadPacks(sources: readonly string[] = [shippedPacks], signedBy?: string): RulePack[] {
  const { packs, problems } = readPacks(sources, signedBy);
  if (isProblems(problems)) throw refusal(problems);
  return packs;
}

/** Rules whose id, or packs whose id, or stages whose stop code, are taken already. */
function duplicates(pack: RulePack, before: readonly RulePack[]): { rule: Rule; message: string }[] {
  const clashes: { rule: Rule; message: string }[] = [];
  const twin = before.find(({ id }) => id === pack.id);
  if (twin !== undefined) {
    clashes.push({ rule: pack.rules[0]!, message: `the pack \`${pack.id}\` is already in ${twin.file}` });
  }
  const seen = before.flatMap(({ rules }) => [...rules]);
  for (const rule of pack.rules) {
    const same = seen.find(({ id }) => id === rule.id);
    if (same !== undefined) {
      clashes.push({ rule, message: `the rule \`${rule.id}\` is already in ${whereText(same.where)}` });
    }
    const stage = seen.find(({ procedure }) => procedure !== null && procedure.stopCode === rule.procedure?.stopCode);
    if (stage !== undefined && stage !== same) {
      clashes.push({
        rule,
        message: `the stage for ${rule.procedure!.stopCode} is already in the rule \`${stage.id}\``,
      });
    }
    seen.push(rule);
  }
  return clashes;
}
