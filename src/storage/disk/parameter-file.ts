import { readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { StopcodeError } from "../../binary/index.ts";

/** A value of DiskSim's parameter language: a number, a word, a list, or a block with a type and entries of its own. */
export type ParameterValue = number | string | readonly ParameterValue[] | ParameterBlock;

/** `type name { key = value, … }`. Keys are kept as they are written. */
export interface ParameterBlock {
  readonly type: string;
  readonly name: string;
  readonly entries: ReadonlyMap<string, ParameterValue>;
  /** For messages: the file and the line on which it begins. */
  readonly file: string;
  readonly line: number;
}

/**
 * Reads the blocks of a DiskSim parameter file (`.parv`, `.diskspecs`, `.model`), those of the files that it names with
 * `source` among them. `topology`, which says how parts hang together, is skipped.
 * Throws `disk/unreadable` where a file cannot be read and `disk/syntax` where the text is none of the language.
 * Source: DiskSim 4.0 reference manual, section 3 ("Parameter files").
 */
export function readParameterFile(path: string): ParameterBlock[] {
  return new ParameterReader(path).blocks();
}

/** The same, and the parts that are made of the blocks: the name of each, and its block's (`instantiate [ disk0 .. disk3 ] as NAME`). */
export function readSystemFile(path: string): { blocks: ParameterBlock[]; parts: ReadonlyMap<string, string> } {
  const reader = new ParameterReader(path);
  return { blocks: reader.blocks(), parts: reader.parts };
}

/** Names of a list in which `disk0 .. disk3` stands for those between, too. Throws `disk/syntax`. */
export function partNames(
  list: readonly ParameterValue[],
  { file, line }: Pick<ParameterBlock, "file" | "line">,
): string[] {
  return list.flatMap((item) => {
    const [, stem, from, to] = /^(\D+)(\d+) *\.\. *\1(\d+)$/.exec(String(item)) ?? [];
    if (stem === undefined) return [String(item)];
    const count = Number(to) - Number(from) + 1;
    if (count < 1 || count > MOST_PARTS)
      throw new StopcodeError("disk/syntax", `"${item}" names ${count} parts`, {
        where: { file, line },
        hint: `a range goes upwards, and names ${MOST_PARTS} at most`,
      });
    return Array.from({ length: count }, (_, index) => `${stem}${Number(from) + index}`);
  });
}

const MOST_PARTS = 1024;

export const isBlock = (value: ParameterValue | undefined): value is ParameterBlock =>
  typeof value === "object" && !Array.isArray(value);

/** What ends a word: the marks of the language, the end of a line, a comment. */
const WORD = /[^=,[\]{}#\n]*/y;
const BLANK = /(?:\s+|#[^\n]*)*/y;
/** Files may name files in turn; a file that names itself must not end in a full stack. */
const DEEPEST_SOURCE = 8;

class ParameterReader {
  readonly #path: string;
  readonly #depth: number;
  readonly #text: string;
  readonly parts = new Map<string, string>();
  #at = 0;

  constructor(path: string, depth = 0) {
    this.#path = path;
    this.#depth = depth;
    if (depth > DEEPEST_SOURCE) this.#fail("files that name one another with `source` are nested too deep");
    try {
      this.#text = readFileSync(path, "utf8");
    } catch (cause) {
      throw new StopcodeError("disk/unreadable", `cannot read the disk parameters in ${basename(path)}`, {
        where: { file: path },
        hint: "name a DiskSim .diskspecs or .parv file; the files that it names must lie beside it",
        cause,
      });
    }
  }

  blocks(): ParameterBlock[] {
    const found: ParameterBlock[] = [];
    while (this.#peek() !== "") {
      const head = this.#word();
      const [type = "", ...rest] = head.split(/\s+/);
      const name = rest.join(" ");
      if (type === "source") found.push(...this.#sourced(name));
      else if (type === "instantiate") this.#instantiate();
      else if (type === "topology") this.#skipLists();
      else if (this.#peek() === "{") found.push(this.#block(type, name));
      else this.#fail(`expected a block, found "${head || this.#peek()}"`);
    }
    return found;
  }

  #sourced(name: string): ParameterBlock[] {
    return new ParameterReader(join(dirname(this.#path), name), this.#depth + 1).blocks();
  }

  #block(type: string, name: string): ParameterBlock {
    const line = this.#line();
    this.#take("{");
    const entries = new Map<string, ParameterValue>();
    while (this.#peek() !== "}") {
      const key = this.#word();
      this.#take("=");
      entries.set(key, this.#value());
      if (this.#peek() === ",") this.#take(",");
    }
    this.#take("}");
    return { type, name, entries, file: this.#path, line };
  }

  #value(): ParameterValue {
    if (this.#peek() === "[") return this.#list();
    const word = this.#word();
    if (this.#peek() === "{") return this.#block(word, "");
    if (word.startsWith("source ")) {
      const [first, ...others] = this.#sourced(word.slice(7).trim());
      if (first === undefined || others.length > 0) this.#fail(`${word.slice(7)} does not hold exactly one block`);
      return first;
    }
    const number = Number(word);
    return word !== "" && !Number.isNaN(number) ? number : word;
  }

  #list(): ParameterValue[] {
    this.#take("[");
    const values: ParameterValue[] = [];
    while (this.#peek() !== "]") {
      values.push(this.#value());
      if (this.#peek() === ",") this.#take(",");
      else if (this.#peek() !== "]") this.#fail(`expected "," or "]" in a list, found "${this.#peek()}"`);
    }
    this.#take("]");
    return values;
  }

  /** `instantiate [ a, b ] as C`. */
  #instantiate(): void {
    const line = this.#line();
    const names = partNames(this.#list(), { file: this.#path, line });
    const [as, of] = this.#word().split(/\s+/);
    if (as !== "as" || of === undefined) this.#fail("expected `as` and the name of a block behind the parts");
    for (const name of names) this.parts.set(name, of);
  }

  /** `topology a [ b [ … ] ]`. */
  #skipLists(): void {
    let depth = 0;
    do {
      const mark = this.#peek();
      if (mark === "") this.#fail("the file ends inside a list");
      if (mark === "[") depth++;
      if (mark === "]") depth--;
      if ("[],{}=".includes(mark)) this.#at++;
      else this.#word();
    } while (depth > 0);
  }

  /** The next character that counts; empty at the end. */
  #peek(): string {
    BLANK.lastIndex = this.#at;
    BLANK.test(this.#text);
    this.#at = BLANK.lastIndex;
    return this.#text.charAt(this.#at);
  }

  #word(): string {
    this.#peek();
    WORD.lastIndex = this.#at;
    const word = WORD.exec(this.#text)?.[0] ?? "";
    this.#at += word.length;
    return word.trim();
  }

  #take(mark: string): void {
    const found = this.#peek();
    if (found !== mark) this.#fail(`expected "${mark}", found ${found === "" ? "the end of the file" : `"${found}"`}`);
    this.#at++;
  }

  #line(): number {
    return this.#text.slice(0, this.#at).split("\n").length;
  }

  #fail(message: string): never {
    const before = this.#text?.slice(0, this.#at).split("\n") ?? [""];
    throw new StopcodeError("disk/syntax", message, {
      where: { file: this.#path, line: before.length, column: before.at(-1)!.length + 1 },
      hint: "this is read as a DiskSim parameter file: `type name { key = value, … }`",
    });
  }
}
