import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { init, parse } from "es-module-lexer";
import { beforeAll, describe, expect, it } from "vitest";

const root = new URL("..", import.meta.url).pathname;

/** The floors of the house. A room imports from lower floors only, and through the other room's index. */
const FLOORS: Readonly<Record<string, number>> = {
  binary: 0,
  document: 1,
  paging: 1,
  storage: 1,
  dumpfile: 1,
  seal: 1,
  hypervisor: 2,
  archive: 2,
  guest: 3,
  analysis: 3,
  host: 4,
  rules: 4,
  agent: 5,
  history: 5,
  pipeline: 6,
  bench: 6,
  web: 7,
  terminal: 7,
};

/** Contracts that may be read without entering the room: rules know the facts and the stop codes, but nothing of how facts are found. */
const CONTRACTS = ["src/analysis/facts.ts", "src/analysis/stop-codes.ts"];

interface Import {
  readonly from: string;
  readonly to: string;
}

const filesBelow = (folder: string): string[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => join(folder, name));

const importsOf = (file: string): Import[] => {
  // A type-only import is no import at run time, but it is knowledge all the same: it counts too.
  const [imports] = parse(readFileSync(join(root, file), "utf8"));
  return imports
    .flatMap((found) => (found.specifier?.startsWith(".") ? [found.specifier] : []))
    .map((name) => ({ from: file, to: relative(root, resolve(root, dirname(file), name)) }));
};

const roomOf = (file: string): string | undefined => /^src\/([^/]+)\//.exec(file)?.[1];

describe("the house", () => {
  let imports: Import[] = [];
  beforeAll(async () => {
    await init;
    imports = [...filesBelow("src"), ...filesBelow("commands")].flatMap(importsOf);
  });

  it("has no room that no floor is named for", () => {
    const rooms = readdirSync(join(root, "src"), { withFileTypes: true }).map((entry) => entry.name);
    expect(rooms.filter((room) => FLOORS[room] === undefined)).toEqual([]);
  });

  it("has imports that go down only", () => {
    const up = imports.filter(({ from, to }) => {
      const [above, below] = [roomOf(from), roomOf(to)];
      if (above === undefined || below === undefined || above === below) return false;
      return (FLOORS[below] ?? 99) >= (FLOORS[above] ?? -1);
    });
    expect(up).toEqual([]);
    expect(imports.length).toBeGreaterThan(0);
  });

  it("has rooms that are entered by the front door", () => {
    const windows = imports.filter(({ from, to }) => {
      const room = roomOf(to);
      return room !== undefined && room !== roomOf(from) && to !== `src/${room}/index.ts` && !CONTRACTS.includes(to);
    });
    expect(windows).toEqual([]);
  });

  it("has nobody who imports commands", () => {
    expect(imports.filter(({ from, to }) => to.startsWith("commands/") && from.startsWith("src/"))).toEqual([]);
  });
});
