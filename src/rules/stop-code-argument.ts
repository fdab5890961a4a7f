import { baseStopCode, EXCEPTION_CONTEXT, stopCodeName, stopCodes } from "../analysis/stop-codes.ts";
import { StopcodeError } from "../binary/index.ts";
import { didYouMean } from "../document/index.ts";
import { codeText } from "./catalogue.ts";

/** How many names are offered for one that is not known. */
const OFFERED = 4;

/**
 * The stop code that a person wrote: its number, always in hex (`0x9F`, `9f`, `0x0000009F`), or its name.
 * @throws StopcodeError `usage/stop-code` for one that is not known, with the nearest ones
 */
export function stopCodeOf(text: string): number {
  const code = /^(0x)?0*[0-9a-f]{1,8}$/i.test(text) ? Number.parseInt(text, 16) : codeNamed(text.toUpperCase());
  if (code !== null && stopCodeName(code) !== null) return code;
  const message = code === null ? `no stop code is named ${text}` : `there is no stop code ${codeText(code)}`;
  const hint = code === null ? similarNames(text.toUpperCase()) : neighbours(baseStopCode(code));
  throw new StopcodeError("usage/stop-code", message, { hint });
}

/** The marked variant of a code has a name also where the reference has no row for it. */
const codeNamed = (name: string): number | null =>
  [...stopCodes.keys()]
    .flatMap((code) => [code, code + EXCEPTION_CONTEXT])
    .find((code) => stopCodeName(code) === name) ?? null;

function similarNames(name: string): string {
  const known = [...stopCodes.values()];
  const containing = known.filter((each) => each.includes(name)).slice(0, OFFERED);
  if (containing.length > 0) return `there is ${containing.join(", ")}`;
  return didYouMean(name, known) ?? "write its number, such as 0x9F, or its whole name";
}

function neighbours(code: number): string {
  const near = [...stopCodes].sort(([a], [b]) => Math.abs(a - code) - Math.abs(b - code)).slice(0, 2);
  return `the nearest are ${near.map(([each, name]) => `${codeText(each)} ${name}`).join(" and ")}`;
}

/**
 * The value of a parameter that a person wrote: in hex with 0x, or in decimal.
 * @throws StopcodeError `usage/parameter`
 */
export function parameterOf(text: string): bigint {
  const value = /^(0x[0-9a-f]+|[0-9]+)$/i.test(text) ? BigInt(text) : null;
  if (value !== null && value < 1n << 64n) return value;
  throw new StopcodeError("usage/parameter", `${text} is no parameter of a stop code`, {
    hint: "write it in hex with 0x, or in decimal, in at most 64 bits",
  });
}
