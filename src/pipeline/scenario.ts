import { readFileSync } from "node:fs";
import { StopcodeError } from "../binary/index.ts";
import { loadScenario, type Scenario } from "../host/index.ts";
import { checkRecipients } from "../seal/index.ts";

/**
 * A scenario that can be run to its end: also the owners' keys are keys. A mistyped one would else show only when private pages
 * are to be sealed for it.
 *
 * @throws StopcodeError `scenario/…`, `io/open`, `seal/recipient`, with file, line and column
 */
export async function readScenario(path: string): Promise<Scenario> {
  const scenario = loadScenario(path);
  for (const owner of scenario.partitions.flatMap(({ owners }) => owners))
    try {
      await checkRecipients([owner]);
    } catch (error) {
      if (!(error instanceof StopcodeError)) throw error;
      throw new StopcodeError(error.code, error.message, {
        where: placeOf(owner, path),
        ...(error.hint === undefined ? {} : { hint: error.hint }),
        cause: error,
      });
    }
  return scenario;
}

function placeOf(text: string, file: string) {
  const before = readFileSync(file, "utf8").split(text)[0]?.split("\n") ?? [""];
  return { file, line: before.length, column: (before.at(-1)?.length ?? 0) + 1 };
}
