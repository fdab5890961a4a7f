import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { whereText } from "../binary/index.ts";
import { type DocumentProblem, isProblems, readText, refusal } from "../document/index.ts";
import { packKind } from "./document-kinds.ts";
import { readPack } from "./pack.ts";
import type { Rule, RulePack } from "./rule.ts";

/** The packs that ship: `rules/` beside `package.json`, from the sources and from `dist/` alike. */
export const shippedPacks: string = fileURLToPath(
  new URL(
    existsSync(new URL("../../package.json", import.meta.url)) ? "../../rules" : "../../../rules",
    import.meta.url,
  ),
);

/** The tests of a pack stand beside it under this name. */
export const testsOf = (packFile: string): string => packFile.replace(/\.yaml$/, ".test.yaml");

/** The pack files that paths stand for: a folder for the `.yaml` files in it, in the order of their names, all else for itself. */
export function packFiles(paths: readonly string[]): string[] {
  const files = paths.flatMap((path) => {
    if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) return [path];
    const names = readdirSync(path).filter((name) => name.endsWith(".yaml") && !name.endsWith(".test.yaml"));
    return names.sort().map((name) => join(path, name));
  });
  return [...new Set(files)];
}

/**
 * Reads packs and says all that is wrong with them, for `rules lint`. Packs with problems are not among the `packs`.
 *
 * @throws StopcodeError `io/open` or `rules/too-large` for a file that cannot be read at all
 */
export function readPacks(paths: readonly string[] = [shippedPacks]): {
  packs: RulePack[];
  problems: DocumentProblem[];
} {
  const packs: RulePack[] = [];
  const problems: DocumentProblem[] = [];
  for (const file of packFiles(paths)) {
    const reading = readPack(file, readText(packKind, file));
    problems.push(...reading.problems);
    if (reading.pack === null) continue;
    const { pack, document } = reading;
    const clashes = duplicates(pack, packs).map(({ rule, message }) =>
      document.problem("rules/duplicate", message, ["rules", pack.rules.indexOf(rule), "id"]),
    );
    problems.push(...clashes);
    if (clashes.length === 0) packs.push(pack);
  }
  return { packs, problems };
}

/**
 * Loads packs, or refuses them: a pack with anything wrong in it is an error, never a rule less.
 *
 * @throws StopcodeError with the file, line and column of the first problem
 */
export function loadPacks(paths: readonly string[] = [shippedPacks]): RulePack[] {
  const { packs, problems } = readPacks(paths);
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
