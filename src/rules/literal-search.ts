/**
 * Looks for many texts at once (Aho and Corasick, 1975): one table lookup a character, however many texts there are. Texts are printable
 * ASCII in lower case; what they are looked for in may be anything, and its case does not count.
 */
export class LiteralSearch {
  /** Row of a state, column of a character: the row that follows, negative less one where texts end. */
  readonly #next: Int32Array;
  /** Column of each UTF-16 code unit; 0 for those that stand in no text. */
  readonly #columns = new Uint8Array(0x10000);
  readonly #width: number;
  /** For each state, the numbers of the texts that end there. */
  readonly #ending: readonly (readonly number[])[];

  constructor(literals: readonly string[]) {
    let width = 1;
    for (const literal of literals)
      for (let at = 0; at < literal.length; at++)
        if (this.#columns[literal.charCodeAt(at)] === 0) this.#columns[literal.charCodeAt(at)] = width++;
    for (let capital = 0x41; capital <= 0x5a; capital++) this.#columns[capital] = this.#columns[capital + 0x20]!;
    // The two letters beyond ASCII whose other case is in ASCII: the long s and the sign for kelvin.
    this.#columns[0x17f] = this.#columns[0x73]!;
    this.#columns[0x212a] = this.#columns[0x6b]!;
    this.#width = width;
    const { children, ending } = this.#trie(literals);
    this.#next = failureLinks(children, ending, width);
    this.#ending = ending;
  }

  /** Calls `found` with the number of each text in `line`, as often as it stands there. */
  scan(line: string, found: (literal: number) => void): void {
    const next = this.#next;
    const columns = this.#columns;
    let row = 0;
    for (let at = 0; at < line.length; at++) {
      row = next[row + columns[line.charCodeAt(at)]!]!;
      if (row >= 0) continue;
      row = -row - 1;
      for (const literal of this.#ending[row / this.#width]!) found(literal);
    }
  }

  #trie(literals: readonly string[]): { children: Map<number, number>[]; ending: number[][] } {
    const children: Map<number, number>[] = [new Map()];
    const ending: number[][] = [[]];
    for (const [index, literal] of literals.entries()) {
      let state = 0;
      for (let at = 0; at < literal.length; at++) {
        const column = this.#columns[literal.charCodeAt(at)]!;
        let child = children[state]!.get(column);
        if (child === undefined) {
          child = children.length;
          children[state]!.set(column, child);
          children.push(new Map());
          ending.push([]);
        }
        state = child;
      }
      ending[state]!.push(index);
    }
    return { children, ending };
  }
}

/** The whole table: where a state has no child, it goes on as its longest proper end would. Texts that end there too are added to it. */
function failureLinks(children: readonly Map<number, number>[], ending: number[][], width: number): Int32Array {
  const states = new Int32Array(children.length * width);
  const failure = new Int32Array(children.length);
  const waiting = [0];
  for (const state of waiting) {
    const shorter = failure[state]!;
    if (state !== 0) ending[state]!.push(...ending[shorter]!);
    for (let column = 0; column < width; column++) {
      const child = children[state]!.get(column);
      const otherwise = state === 0 ? 0 : states[shorter * width + column]!;
      states[state * width + column] = child ?? otherwise;
      if (child === undefined) continue;
      failure[child] = otherwise;
      waiting.push(child);
    }
  }
  return states.map((state) => (ending[state]!.length > 0 ? -(state * width) - 1 : state * width));
}
