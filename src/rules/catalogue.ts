import { readdirSync } from "node:fs";
import { join } from "node:path";
import { hex, whereText } from "../binary/index.ts";
import {
  checkShape,
  type DocumentProblem,
  isProblems,
  type Path,
  parseYaml,
  readText,
  refusal,
  type YamlDocument,
} from "../document/index.ts";
import { catalogueSource, type StopCodeEntry } from "./catalogue-schema.ts";
import { catalogueKind } from "./document-kinds.ts";
import { shippedPacks } from "./pack-sources.ts";

/** The catalogue of stop codes that ships. */
export const shippedCatalogue: string = join(shippedPacks, "windows-stop-codes");

/** `0x9F`: as stop codes are written on screens. */
export const codeText = (code: number): string => `0x${code.toString(16).toUpperCase()}`;

export interface CatalogueReading {
  readonly entries: readonly StopCodeEntry[];
  /** Everything wrong with the files; what is in a file with problems is not among the entries. */
  readonly problems: readonly DocumentProblem[];
}

/**
 * Reads all files of a catalogue.
 * @throws StopcodeError `io/…` for a folder or file that cannot be read at all
 */
export const readCatalogue = (folder: string = shippedCatalogue): CatalogueReading =>
  readFiles(folder, fileNames(folder));

/**
 * What the catalogue says of a stop code; null when it has no entry. Only the file whose name says that it holds the code is read:
 * to read them all takes more than a second.
 *
 * @throws StopcodeError with file, line and column for a file that is wrong
 */
export function catalogueEntry(code: number, folder: string = shippedCatalogue): StopCodeEntry | null {
  // A file whose name says nothing is read, and refused.
  const names = fileNames(folder).filter((name) => isIn(rangeOf(name) ?? { first: code, last: code }, code));
  const { entries, problems } = readFiles(folder, names);
  const found = [...problems];
  if (isProblems(found)) throw refusal(found);
  return entries.find((entry) => entry.code === code) ?? null;
}

const fileNames = (folder: string): string[] =>
  readdirSync(folder)
    .filter((name) => name.endsWith(".yaml"))
    .sort();

interface CodeRange {
  readonly first: number;
  readonly last: number;
}

/** The codes that a file's name promises: `0x0c5-0x0cf.yaml`, `0x0c4.yaml`, `0x1e0-end.yaml`. Null for a name that promises none. */
function rangeOf(name: string): CodeRange | null {
  const [, first, last = first] = /^(0x[0-9a-f]+)(?:-(0x[0-9a-f]+|end))?\.yaml$/.exec(name) ?? [];
  if (first === undefined) return null;
  return { first: Number(first), last: last === "end" ? Number.POSITIVE_INFINITY : Number(last) };
}

const isIn = ({ first, last }: CodeRange, code: number): boolean => code >= first && code <= last;

function readFiles(folder: string, names: readonly string[]): CatalogueReading {
  const entries: StopCodeEntry[] = [];
  const problems: DocumentProblem[] = [];
  const places = new Map<number, string>();
  for (const name of names) {
    const reading = readFile(join(folder, name));
    const wrong = "problems" in reading ? reading.problems : contradictions(reading, rangeOf(name), places);
    problems.push(...wrong);
    if ("codes" in reading && wrong.length === 0) entries.push(...reading.codes);
  }
  return { entries, problems };
}

interface CatalogueFile {
  readonly document: YamlDocument;
  readonly codes: readonly StopCodeEntry[];
}

function readFile(file: string): CatalogueFile | { readonly problems: readonly DocumentProblem[] } {
  const parsed = parseYaml(catalogueKind, file, readText(catalogueKind, file));
  if ("problems" in parsed) return parsed;
  const shaped = checkShape(parsed.document, catalogueSource);
  return "problems" in shaped ? shaped : { document: parsed.document, codes: shaped.value.codes };
}

/** What no schema can say: a code that stands twice, out of order or in the wrong file, a value that decides twice. */
function contradictions({ document, codes }: CatalogueFile, range: CodeRange | null, places: Map<number, string>) {
  const problems: DocumentProblem[] = [];
  const refuse = (code: string, message: string, path: Path) => problems.push(document.problem(code, message, path));
  if (range === null) refuse("rules/file-name", "a file is named for its codes, such as `0x0c5-0x0cf.yaml`", []);
  codes.forEach(({ code, cases }, index) => {
    const path = ["codes", index, "code"];
    const before = codes[index - 1]?.code ?? 0;
    const place = places.get(code);
    if (place !== undefined) refuse("rules/duplicate", `${codeText(code)} is already in ${place}`, path);
    else if (code < before)
      refuse("rules/order", `${codeText(code)} stands after ${codeText(before)}: codes ascend`, path);
    if (range !== null && !isIn(range, code))
      refuse("rules/file-name", `${codeText(code)} is none of this file's codes`, path);
    places.set(code, place ?? whereText(document.where(path)));
    const values = new Set<string>();
    cases.forEach(({ by, when }, at) => {
      for (const value of when) {
        const decided = `parameter ${by} = ${hex(value)}`;
        if (values.has(decided))
          refuse("rules/duplicate", `${decided} has a case already`, ["codes", index, "cases", at, "when"]);
        values.add(decided);
      }
    });
  });
  return problems;
}
