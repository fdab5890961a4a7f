import { isMap, isScalar, isSeq, type Node, type Pair, type YAMLMap } from "yaml";

/** A place inside a document: keys and indexes from the top. */
export type Path = readonly PropertyKey[];

const pairIn = (map: YAMLMap, key: PropertyKey): Pair | undefined =>
  map.items.find((pair) => isScalar(pair.key) && String(pair.key.value) === String(key));

/** What a path leads to, or the last thing on the way that there is. */
function nodeAt(root: Node | null, path: Path): Node | null {
  let node = root;
  for (const part of path) {
    const below = isMap(node) ? pairIn(node, part)?.value : isSeq(node) ? node.items[Number(part)] : undefined;
    if (below === undefined || below === null) break;
    node = below as Node;
  }
  return node;
}

/** The offset in the text of the key at the end of a path; of the value when it is an element of a list, or is not there. */
export function keyOffset(root: Node | null, path: Path, text: string): number {
  const map = path.length === 0 ? null : nodeAt(root, path.slice(0, -1));
  const key = isMap(map) ? (pairIn(map, path.at(-1)!)?.key as Node) : undefined;
  return key?.range?.[0] ?? valueOffset(root, path, text);
}

/** The offset in the text of the value at a path, or of what is there of it; `index` counts characters of a scalar's value. */
export function valueOffset(root: Node | null, path: Path, text: string, index = 0): number {
  const node = nodeAt(root, path);
  if (!node?.range) return 0;
  const [first, end] = node.range;
  if (!isScalar(node) || typeof node.value !== "string") return first;
  const block = node.type === "BLOCK_LITERAL" || node.type === "BLOCK_FOLDED";
  const start = block ? text.indexOf("\n", first) + 1 : first + (node.type === "PLAIN" ? 0 : 1);
  return align(node.value, index, text, start, end);
}

/**
 * Where the character `index` of a scalar's value stands in the source. The two differ by indentation, folded line ends, doubled
 * quotes and backslashes only, so walking both side by side finds it.
 */
function align(value: string, index: number, source: string, start: number, end: number): number {
  const blank = (character: string | undefined): boolean => character !== undefined && /\s/.test(character);
  let place = start;
  for (let at = 0; at < Math.min(index, value.length) && place < end; at++) {
    if (blank(value[at])) {
      if (!blank(value[at + 1])) while (place < end && blank(source[place])) place++;
    } else {
      while (place < end && source[place] !== value[at]) place++;
      place++;
    }
  }
  while (place < end && blank(source[place]) && !blank(value[index])) place++;
  return place;
}
