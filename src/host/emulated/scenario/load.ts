import { readFileSync } from "node:fs";
import { type Document, isMap, LineCounter, type Node, parseDocument } from "yaml";
import { StopcodeError, type Where } from "../../../binary/index.ts";
import { contradictions } from "./contradictions.ts";
import { knownKeys, nearest } from "./known-keys.ts";
import { type Scenario, scenarioSchema } from "./schema.ts";

type Path = readonly PropertyKey[];

/**
 * Reads and checks a scenario file.
 * @throws StopcodeError `io/open` when it cannot be read; `scenario/…` with file, line and column of what is wrong in it
 */
export function loadScenario(file: string): Scenario {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (cause) {
    throw new StopcodeError("io/open", `cannot read the scenario: ${(cause as Error).message}`, {
      where: { file },
      hint: "check the path; scenarios that come with stopcode lie in fixtures/scenarios",
      cause,
    });
  }
  return parseScenario(text, file);
}

/** The same for a text that is at hand; `file` is how errors call it. */
export function parseScenario(text: string, file: string): Scenario {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const where = (offset: number): Where => {
    const { line, col } = lines.linePos(offset);
    return { file, line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  const [broken] = document.errors;
  if (broken)
    throw new StopcodeError("scenario/yaml", broken.message, {
      where: where(broken.pos[0]),
      hint: "the file is not well-formed YAML",
    });
  const offsetOf = (path: Path, key?: string) => offsetIn(document.contents, path, key);

  const written = writtenValue(document, where(0));
  const parsed = scenarioSchema.safeParse(written);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    if (issue.code === "unrecognized_keys") {
      const key = issue.keys[0]!;
      const keys = knownKeys(issue.path, written);
      const near = nearest(key, keys);
      throw new StopcodeError("scenario/unknown-key", `${place(issue.path)} has no key ${key}`, {
        where: where(offsetOf(issue.path, key)),
        hint: near ? `did you mean ${near}?` : `it has: ${keys.join(", ")}`,
      });
    }
    throw new StopcodeError("scenario/invalid", `${place(issue.path)}: ${issue.message}`, {
      where: where(offsetOf(issue.path)),
      hint: "`fixtures/scenarios/scenario.schema.json` says what a scenario may hold",
    });
  }
  const [contradiction] = contradictions(parsed.data);
  if (contradiction)
    throw new StopcodeError(contradiction.code, contradiction.message, {
      where: where(offsetOf(contradiction.path)),
      hint: contradiction.hint,
    });
  return parsed.data;
}

function writtenValue(document: Document, where: Where): unknown {
  try {
    return document.toJS({ maxAliasCount: 100 });
  } catch (cause) {
    throw new StopcodeError("scenario/yaml", (cause as Error).message, {
      where,
      hint: "an alias (*name) has no anchor (&name), or aliases are nested beyond reason",
      cause,
    });
  }
}

const place = (path: Path) => (path.length ? path.join(".").replace(/\.(\d+)/g, "[$1]") : "a scenario");

/** Offset in the text of what a path leads to, of one key there, or of the last thing on the way that there is. */
function offsetIn(root: Node | null, path: Path, key?: string): number {
  let node: unknown = root;
  let offset = root?.range?.[0] ?? 0;
  for (const step of key === undefined ? path : [...path, key]) {
    if (isMap(node)) {
      const pair = node.items.find((item) => String((item.key as { value?: unknown }).value) === String(step));
      if (!pair) break;
      offset = (pair.key as Node).range?.[0] ?? offset;
      node = pair.value;
    } else {
      node = (node as { get?: (index: unknown, keep: boolean) => unknown })?.get?.(step, true);
      if (!node) break;
      offset = (node as Node).range?.[0] ?? offset;
    }
  }
  return offset;
}
