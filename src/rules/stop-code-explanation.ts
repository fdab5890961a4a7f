import {
  baseStopCode,
  type ParameterKind,
  parameterMeanings,
  stopCodeName,
  valueText,
} from "../analysis/stop-codes.ts";
import { hex, StopcodeError } from "../binary/index.ts";
import { readText } from "../document/index.ts";
import { catalogueEntry, codeText, shippedCatalogue } from "./catalogue.ts";
import type { StopCodeEntry } from "./catalogue-schema.ts";
import { type Check, checks } from "./checks.ts";
import { packKind } from "./document-kinds.ts";
import { loadPacks, packFiles } from "./loader.ts";
import { shippedPacks } from "./pack-sources.ts";
import type { Rule } from "./rule.ts";
import { parameterOf, stopCodeOf } from "./stop-code-argument.ts";

/** A stop code and its parameters in words: the document of `rules explain --json`. */
export interface StopCodeExplanation {
  /** `0x9f`. */
  readonly code: string;
  readonly name: string;
  readonly family: StopCodeEntry["family"];
  readonly summary: string;
  /** The value that decided what the others mean; `says` is null where the catalogue does not know it. Null where none decides. */
  readonly decided: { readonly parameter: number; readonly value: string; readonly says: string | null } | null;
  /** What there is to decide between, where the parameter that decides was not given. */
  readonly cases: readonly { readonly parameter: number; readonly values: readonly string[]; readonly says: string }[];
  /** Four; `text` is what the value says by itself, such as the name of a status. */
  readonly parameters: readonly {
    readonly value: string | null;
    readonly meaning: string;
    readonly text: string | null;
  }[];
  readonly causes: readonly string[];
  readonly advice: readonly string[];
  readonly checks: readonly (Pick<Check, "summary" | "source"> & { readonly check: string; readonly how: string })[];
  /** Rules of the shipped packs that ask for this stop code. */
  readonly rules: readonly Pick<Rule, "pack" | "id" | "summary">[];
}

/**
 * Explains a stop code without a dump, from what a screen or an event log shows of it.
 *
 * @param code its number in hex, or its name
 * @param parameters the first of its four parameters, as many as are known
 * @throws StopcodeError `usage/…` for what is no stop code or parameter
 */
export function explainStopCode(
  code: string,
  parameters: readonly string[],
  catalogue: string = shippedCatalogue,
): StopCodeExplanation {
  const number = stopCodeOf(code);
  const values = parameters.map(parameterOf);
  const entry = catalogueEntry(number, catalogue) ?? catalogueEntry(baseStopCode(number), catalogue);
  if (entry === null) {
    throw new StopcodeError("rules/no-entry", `the catalogue does not describe ${codeText(number)}`, {
      where: { file: catalogue },
    });
  }
  const deciding = entry.cases.filter(({ by }) => values[by - 1] !== undefined);
  const fits = deciding.find(({ by, when }) => when.some((value) => BigInt(value) === values[by - 1]));
  const by = fits?.by ?? deciding[0]?.by;
  const { family, summary, causes, advice } = entry;
  return {
    ...{ code: hex(number), name: stopCodeName(number)!, family, summary },
    decided: by === undefined ? null : { parameter: by, value: hex(values[by - 1]!), says: fits?.says ?? null },
    cases:
      by === undefined
        ? entry.cases.map(({ by: parameter, when, says }) => ({ parameter, values: when.map(hex), says }))
        : [],
    parameters: meanings(entry, fits).map((meaning, index) => {
      const value = values[index];
      if (value === undefined) return { value: null, meaning, text: null };
      const kind = parameterMeanings(number, values)[index]?.kind ?? "plain";
      return {
        value: hex(value),
        meaning,
        text: valueText(number, value, kind === "plain" ? kindSaid(meaning) : kind),
      };
    }),
    ...{ causes, advice },
    checks: entry.checks.map((check) => {
      const { summary: does, how, source } = checks[check]!;
      return { check, summary: does, how: how(null), source };
    }),
    rules: rulesAsking(number),
  };
}

/** The four meanings: the parameter that decides has its own from the entry, the three others from the case. */
function meanings(entry: StopCodeEntry, fits: StopCodeEntry["cases"][number] | undefined): readonly string[] {
  if (fits === undefined) return entry.parameters;
  const [decides, others] = [fits.by - 1, [...fits.parameters]];
  others.splice(decides, 0, entry.parameters[decides]!);
  return others;
}

/** The catalogue has words and no kinds: these words say how a value is to be spelt out. */
function kindSaid(meaning: string): ParameterKind {
  if (/\bNTSTATUS\b|\bexception code\b|\bstatus\b(?! bits| register)/.test(meaning)) return "status";
  if (/^(the |current )?IRQL\b/.test(meaning)) return "irql";
  return /\btag\b/.test(meaning) ? "letters" : "plain";
}

function rulesAsking(code: number): StopCodeExplanation["rules"] {
  const number = `0x0*${baseStopCode(code).toString(16)}\\b`;
  const asks = new RegExp(`stopCode\\.code\\) (?:== |in \\[(?:[^\\]]*, )?)${number}`, "i");
  // To compile a pack takes longer than all else here, and most stop codes stand in none.
  const files = packFiles([shippedPacks]).filter((file) => new RegExp(number, "i").test(readText(packKind, file)));
  return loadPacks(files)
    .flatMap(({ rules }) => rules)
    .filter(({ when }) => when.some(({ text }) => asks.test(text)))
    .map(({ pack, id, summary }) => ({ pack, id, summary }));
}
