import { type CST, type Document, isAlias, Lexer, type Node, Parser, visit } from "yaml";

/**
 * How large a document may be. The limits hold before the parser builds anything: its composer recurses, and looks for equal keys
 * in a time that grows with their square, so that a few hundred kilobytes could keep it busy for half a minute.
 */
export const limits = { bytes: 512 * 1024, tokens: 65_536, depth: 24, entries: 1024 } as const;

/** What is wrong at an offset into the text. */
export interface Spot {
  readonly message: string;
  readonly offset: number;
}

/**
 * The syntax trees of a text, from which a document can be composed, or what makes it too large for that. Tokens and brackets are
 * counted as they are read, the trees without recursion.
 */
export function syntaxTrees(text: string): { readonly trees: readonly CST.Token[] } | { readonly excess: Spot } {
  const parser = new Parser();
  const trees: CST.Token[] = [];
  let [offset, tokens, brackets] = [0, 0, 0];
  for (const token of new Lexer().lex(text)) {
    if (++tokens > limits.tokens) return { excess: { message: `it has more than ${limits.tokens} tokens`, offset } };
    if (token === "[" || token === "{") brackets++;
    else if (token === "]" || token === "}") brackets--;
    if (brackets > limits.depth) return { excess: { message: `it nests more than ${limits.depth} deep`, offset } };
    trees.push(...parser.next(token));
    offset += token.length;
  }
  trees.push(...parser.end());
  const excess = trees.map(tooDeepOrWide).find((spot) => spot !== null);
  return excess === undefined ? { trees } : { excess };
}

interface SyntaxNode {
  readonly offset?: number;
  readonly value?: unknown;
  readonly items?: readonly { readonly key?: unknown; readonly value?: unknown }[];
}

function tooDeepOrWide(tree: unknown): Spot | null {
  const waiting: [SyntaxNode, number][] = [[tree as SyntaxNode, 0]];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const [node, depth] = next;
    const offset = node.offset ?? 0;
    if (depth > limits.depth) return { message: `it nests more than ${limits.depth} deep`, offset };
    if ((node.items?.length ?? 0) > limits.entries) {
      return { message: `it has a list or map of more than ${limits.entries} entries`, offset };
    }
    const below = [node.value, ...(node.items ?? []).flatMap((item) => [item.key, item.value])];
    for (const child of below) {
      if (typeof child === "object" && child !== null)
        waiting.push([child, depth + (node.items === undefined ? 0 : 1)]);
    }
  }
  return null;
}

/** Anchors, aliases and tags: a few aliases can stand for gigabytes, and none of our documents needs one of the three. */
export function unwanted(parsed: Document): Spot[] {
  const spots: Spot[] = [];
  visit(parsed, {
    Node(_, node) {
      const offset = (node as Node).range?.[0] ?? 0;
      if (isAlias(node)) spots.push({ message: "aliases are not allowed", offset });
      else if (node.anchor) spots.push({ message: "anchors are not allowed", offset });
      else if (node.tag) spots.push({ message: "tags are not allowed", offset });
    },
  });
  return spots;
}
