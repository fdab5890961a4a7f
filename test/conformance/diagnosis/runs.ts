import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type RunReport, runScenario } from "../../../src/pipeline/index.ts";

/** A scenario to be run with a seed. */
export interface Task {
  readonly path: string;
  readonly seed: number;
}

/** What of a run the tables are made of. */
export type Outcome = Pick<RunReport, "boots" | "verdict" | "unexpected">;

const SHIPPED = { sources: [], signedBy: undefined };

/** Runs a scenario as `host run` does, dumps and all; nothing of it is kept. */
export async function outcomeOf({ path, seed }: Task): Promise<Outcome> {
  const home = mkdtempSync(join(tmpdir(), "stopcode-diagnosis-"));
  try {
    const { boots, verdict, unexpected } = await runScenario(path, { home, seed, packs: SHIPPED, onEvent: () => {} });
    return { boots, verdict, unexpected };
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}
