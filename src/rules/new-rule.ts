import { existsSync } from "node:fs";
import { userInfo } from "node:os";
import { basename } from "node:path";
import { StopcodeError } from "../binary/index.ts";
import { isProblems, listOf, readText, refusal, replaceText, withEntry, writeNew } from "../document/index.ts";
import { packKind, packTestKind } from "./document-kinds.ts";
import { testsOf } from "./loader.ts";
import { readPack } from "./pack.ts";
import { packSource } from "./pack-schema.ts";
import { firstCases, firstPack, firstRule } from "./rule-template.ts";

/** The document of `rules new --json`. */
export interface NewRule {
  readonly rule: string;
  readonly pack: string;
  readonly file: string;
  readonly tests: string;
  /** Whether the pack was there already, and has a rule more now. */
  readonly added: boolean;
}

const idSchema = packSource.shape.pack.shape.id;

/**
 * Writes a draft of a rule, and tests of it that pass: a pack with one rule, or one rule more at the end of a pack that is there,
 * where all that was written before stays as it is.
 *
 * @param file the pack; a name that is not taken makes a new one
 * @throws StopcodeError `usage/…` for a name that cannot be, or is taken; `rules/…` for a pack with something wrong in it
 */
export function newRule(id: string, file: string = `${id}.yaml`): NewRule {
  checkNames(id, file);
  const tests = testsOf(file);
  if (!existsSync(file)) return newPack(id, file, tests);
  const before = packIn(file, readText(packKind, file));
  const taken = before.rules.find((rule) => rule.id === id);
  if (taken) {
    throw new StopcodeError("usage/rule-exists", `the pack ${before.id} has a rule ${id}`, {
      where: taken.where,
      hint: "choose another id",
    });
  }
  const text = added(file, readText(packKind, file), "rules", firstRule(id));
  packIn(file, text);
  // What may be refused comes before anything is written.
  const entries = firstCases(id);
  if (!existsSync(tests)) {
    writeNew(tests, testFile(entries));
  } else {
    const more = entries.reduce((all, entry) => added(tests, all, "cases", entry), readText(packTestKind, tests));
    replaceText(tests, more);
  }
  replaceText(file, text);
  return { rule: id, pack: before.id, file, tests, added: true };
}

function checkNames(id: string, file: string): void {
  const { error } = idSchema.safeParse(id);
  if (error) throw new StopcodeError("usage/rule-id", `${id} is no id of a rule`, { hint: error.issues[0]!.message });
  if (!file.endsWith(".yaml") || file.endsWith(".test.yaml")) {
    throw new StopcodeError("usage/pack-name", "a pack's name ends in .yaml, and that of its tests in .test.yaml", {
      where: { file },
      hint: `write --in ${file.replace(/(\.test)?\.ya?ml$/, "")}.yaml`,
    });
  }
}

function newPack(id: string, file: string, tests: string): NewRule {
  const name = basename(file, ".yaml");
  const pack = idSchema.safeParse(name).success ? name : id;
  writeNew(tests, testFile(firstCases(id)));
  writeNew(file, firstPack(pack, userInfo().username, id));
  return { rule: id, pack, file, tests, added: false };
}

function testFile([first, ...others]: readonly string[]): string {
  return others.reduce((text, entry) => withEntry(text, "cases", entry)!, listOf("cases", first!));
}

function packIn(file: string, text: string) {
  const { pack, problems } = readPack(file, text);
  const found = [...problems];
  if (isProblems(found)) throw refusal(found);
  return pack!;
}

/** A text with an entry more in one of its lists. */
export function added(file: string, text: string, list: string, entry: string): string {
  const more = withEntry(text, list, entry);
  if (more !== null) return more;
  throw new StopcodeError("rules/no-list", `there is no list \`${list}\` in it that an entry could be added to`, {
    where: { file },
    hint: `write \`${list}:\` at its beginning, and each entry below it after a dash`,
  });
}
