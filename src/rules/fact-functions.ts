import type { Environment } from "@marcbachmann/cel-js";
import { type Frame, SURE_FRAMES } from "../analysis/facts.ts";
import { celType, type FactType, factsType, fieldType } from "./fact-types.ts";
import { type FactRecord, type Meter, MissingFact, OutOfSteps } from "./fact-view.ts";
import { isKernelImage, isPartOfWindows } from "./windows-images.ts";

/** What the functions of an expression work on: set for the time of one evaluation, which is synchronous. */
interface Evaluation {
  readonly facts: FactRecord;
  readonly meter: Meter;
}

/** The longest text that `join` makes. */
const JOINED_CHARACTERS = 4096;

interface FactFunction {
  readonly signature: string;
  readonly description: string;
  readonly handler: (evaluation: Evaluation, ...parameters: never[]) => unknown;
}

interface Module {
  readonly name: string;
  readonly base?: string;
  readonly size?: number;
}

/** What the facts hold under a root name; the functions read through the metered view like everybody else. */
const root = (evaluation: Evaluation, name: string): unknown => (evaluation.facts as never)[name];

function number(text: string): bigint {
  if (!/^0x[0-9a-fA-F]{1,16}$/.test(text)) throw new Error(`"${text.slice(0, 40)}" is no 0x… number`);
  return BigInt(text);
}

function parameter(evaluation: Evaluation, n: bigint): bigint {
  const crash = root(evaluation, "crash") as { stopCode?: { parameters?: readonly { value?: string }[] } } | undefined;
  const value = crash?.stopCode?.parameters?.[Number(n) - 1]?.value;
  if (value === undefined) throw new MissingFact(`crash.stopCode.parameters[${n - 1n}].value`);
  return number(value);
}

function moduleAt(evaluation: Evaluation, address: bigint): string {
  const modules = root(evaluation, "modules") as readonly Module[] | undefined;
  if (modules === undefined) throw new MissingFact("modules");
  const holder = modules.find(({ base, size }) => {
    if (base === undefined || size === undefined) return false;
    const start = number(base);
    return address >= start && address < start + BigInt(Math.trunc(size));
  });
  return holder?.name ?? "";
}

function driverOnStack(evaluation: Evaluation): string {
  const crash = root(evaluation, "crash") as { stack?: readonly Frame[] } | undefined;
  if (crash?.stack === undefined) throw new MissingFact("crash.stack");
  const frame = crash.stack.find(({ module, via }) => module && SURE_FRAMES.has(via) && !isPartOfWindows(module));
  return frame?.module ?? "";
}

function largest<Holder extends { readonly held?: number }>(_: Evaluation, holders: readonly Holder[]): Holder {
  const [first, ...rest] = holders;
  if (first === undefined) throw new MissingFact("the largest of an empty list");
  return rest.reduce((most, holder) => ((holder.held ?? 0) > (most.held ?? 0) ? holder : most), first);
}

function join(_: Evaluation, texts: readonly string[], separator: string): string {
  let joined = "";
  for (const [index, text] of texts.entries()) {
    joined += index === 0 ? text : separator + text;
    if (joined.length > JOINED_CHARACTERS) throw new OutOfSteps();
  }
  return joined;
}

const usersType = fieldType(fieldType(fieldType(factsType, "checks")!, "systemPtes")!, "users")! as FactType & {
  kind: "list";
};
const sitesType = fieldType(usersType.of, "sites")! as FactType & { kind: "list" };

/** All that an expression may call besides CEL's own `size`, `string`, `int`, `double` and the text and list methods. */
export const factFunctions: readonly FactFunction[] = [
  {
    signature: "hex(string): int",
    description:
      "the number that a `0x…` text writes: addresses and codes are texts in facts, so that no digit is lost",
    handler: (_, text: string) => number(text),
  },
  {
    signature: "toHex(int): string",
    description: "a number as `0x…`",
    handler: (_, value: bigint) => `0x${BigInt.asUintN(64, value).toString(16)}`,
  },
  {
    signature: "parameter(int): int",
    description: "parameter n of the stop code, counted from 1 as the reference does",
    handler: parameter,
  },
  {
    signature: "moduleAt(int): string",
    description: "the name of the loaded module that holds an address, or an empty text",
    handler: moduleAt,
  },
  {
    signature: "driverOnStack(): string",
    description:
      "the module nearest the top of the crashed stack that does not come with Windows, or an empty text; frames that were guessed do not count",
    handler: driverOnStack,
  },
  {
    signature: "isKernelImage(string): bool",
    description: "whether an image is the Windows kernel or its hardware abstraction layer",
    handler: (_, name: string) => isKernelImage(name),
  },
  {
    signature: "isPartOfWindows(string): bool",
    description: "whether an image comes with Windows, as far as its name is known here",
    handler: (_, name: string) => isPartOfWindows(name),
  },
  {
    signature: `largest(${celType(usersType)}): ${celType(usersType.of)}`,
    description: "the user that holds most",
    handler: largest,
  },
  {
    signature: `largest(${celType(sitesType)}): ${celType(sitesType.of)}`,
    description: "the site that holds most",
    handler: largest,
  },
  {
    signature: "differentBits(int, int): int",
    description: "in how many bits two numbers differ",
    handler: (_, one: bigint, other: bigint) => {
      let bits = 0n;
      for (let left = BigInt.asUintN(64, one ^ other); left !== 0n; left &= left - 1n) bits++;
      return bits;
    },
  },
  {
    signature: "join(list<string>, string): string",
    description: `texts in one, with a separator between them; at most ${JOINED_CHARACTERS} characters`,
    handler: join,
  },
];

/** Numbers of facts are doubles, literals like `4` are ints: arithmetic and equality between the two are declared, as order is. */
function mixNumbers(environment: Environment): void {
  environment.registerOperator("double == int", (a: number, b: bigint) => a === Number(b));
  const arithmetic: readonly (readonly [string, (a: number, b: number) => number])[] = [
    ["+", (a, b) => a + b],
    ["-", (a, b) => a - b],
    ["*", (a, b) => a * b],
    ["/", (a, b) => a / b],
  ];
  for (const [operator, apply] of arithmetic) {
    environment.registerOperator(`double ${operator} int`, (a: number, b: bigint) => apply(a, Number(b)));
    environment.registerOperator(`int ${operator} double: double`, (a: bigint, b: number) => apply(Number(a), b));
  }
}

/** Gives an environment the functions above. `current` is asked at each call for the evaluation that is running. */
export function registerFunctions(environment: Environment, current: () => Evaluation): void {
  mixNumbers(environment);
  for (const { signature, description, handler } of factFunctions) {
    const call = handler as (evaluation: Evaluation, ...parameters: unknown[]) => unknown;
    environment.registerFunction(signature, (...parameters: unknown[]) => call(current(), ...parameters), {
      description,
    });
  }
}
