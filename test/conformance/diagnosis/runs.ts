import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";
import { type RunReport, runScenario } from "../../../src/pipeline/index.ts";

/** A scenario to be run with a seed. */
export interface Task {
  readonly path: string;
  readonly seed: number;
  /** Without the checks that somebody has switched on for the first start, and that start alone. */
  readonly isUnchecked: boolean;
}

/** What of a run the tables are made of. */
export type Outcome = Pick<RunReport, "boots" | "verdict" | "unexpected">;

const SHIPPED = { sources: [], signedBy: undefined };

/** Runs a scenario as `host run` does, dumps and all; nothing of it is kept. */
export async function outcomeOf({ path, seed, isUnchecked }: Task): Promise<Outcome> {
  const home = mkdtempSync(join(tmpdir(), "stopcode-diagnosis-"));
  try {
    const options = { home, seed, packs: SHIPPED, onEvent: () => {} };
    const { boots, verdict, unexpected } = isUnchecked
      ? await runScenario(uncheckedCopy(path, home), { ...options, boots: 1 })
      : await runScenario(path, options);
    return { boots, verdict, unexpected };
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

function uncheckedCopy(path: string, folder: string): string {
  const scenario = parse(readFileSync(path, "utf8")) as { partitions: object[] };
  const partitions = scenario.partitions.map((one) => ({ ...one, armed: [] }));
  const copy = join(folder, "unchecked.yaml");
  writeFileSync(copy, JSON.stringify({ ...scenario, partitions }));
  return copy;
}
