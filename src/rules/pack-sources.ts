import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { StopcodeError } from "../binary/index.ts";

/** The packs that ship: `rules/` beside `package.json`, from the sources and from `dist/` alike. */
export const shippedPacks: string = fileURLToPath(
  new URL(
    existsSync(new URL("../../package.json", import.meta.url)) ? "../../rules" : "../../../rules",
    import.meta.url,
  ),
);

const PACKAGE = /^npm:((?:@[a-z0-9~][a-z0-9._~-]*\/)?[a-z0-9~][a-z0-9._~-]*)$/i;

/** What a package says of itself; `stopcode.rules` is the folder of its packs, `rules` where it says nothing. */
const packageDocument = z.object({ stopcode: z.object({ rules: z.string() }).optional() });

/**
 * The file or folder that a source of packs stands for: `npm:NAME` for the packs of a package in `node_modules`, found from the
 * working directory as Node finds packages, `npm:stopcode` for those that ship; anything else is a path.
 *
 * @throws StopcodeError `usage/pack-source` for `npm:` without a package's name, `rules/package` when there is none, or none with packs
 */
export function sourcePath(source: string): string {
  if (!source.startsWith("npm:")) return source;
  const name = PACKAGE.exec(source)?.[1];
  if (name === undefined) {
    throw new StopcodeError("usage/pack-source", `${source} names no package`, {
      hint: "write npm:NAME or npm:@SCOPE/NAME",
    });
  }
  return name === "stopcode" ? shippedPacks : packsOf(name, packageFolder(name));
}

function packageFolder(name: string): string {
  for (let folder = process.cwd(); ; folder = dirname(folder)) {
    const found = join(folder, "node_modules", name);
    if (existsSync(join(found, "package.json"))) return found;
    if (folder === dirname(folder)) break;
  }
  throw new StopcodeError("rules/package", `there is no package ${name} in node_modules here or above`, {
    where: { file: process.cwd() },
    hint: `npm install ${name}`,
  });
}

function packsOf(name: string, folder: string): string {
  const file = join(folder, "package.json");
  const refuse = (message: string, cause?: unknown) =>
    new StopcodeError("rules/package", message, {
      where: { file },
      hint: 'packs lie in the package\'s folder `rules`, or where its package.json says: {"stopcode": {"rules": FOLDER}}',
      cause,
    });
  let said: string;
  try {
    said = packageDocument.parse(JSON.parse(readFileSync(file, "utf8"))).stopcode?.rules ?? "rules";
  } catch (cause) {
    throw refuse(`the package ${name} does not say where its packs are`, cause);
  }
  const packs = resolve(folder, said);
  if (!`${packs}${sep}`.startsWith(`${resolve(folder)}${sep}`))
    throw refuse(`${said} lies outside the package ${name}`);
  if (!existsSync(packs)) throw refuse(`the package ${name} has no packs in ${said}`);
  return packs;
}
