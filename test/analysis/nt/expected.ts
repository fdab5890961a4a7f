import { readFileSync } from "node:fs";
import { hex } from "../../../src/binary/index.ts";
import { sharedData } from "../../peers.ts";

const rows = (name: string) =>
  readFileSync(sharedData(`windows/expected/${name}`), "utf8")
    .trim()
    .split("\n")
    .map((line) => line.split("\t"));

/** Registers of the bug check's call as rizin reads them from a dump, by name. */
export function expectedRegisters(dump: string): Record<string, string> {
  return Object.fromEntries(rows(`${dump}.regs.tsv`).map(([name, value]) => [name, hex(BigInt(value!))]));
}

export interface ExpectedFrame {
  readonly address: string;
  readonly stackPointer: string;
}

/** Frames as rizin unwinds them with Microsoft's symbols, outermost marker left out. */
export function expectedFrames(dump: string): ExpectedFrame[] {
  return rows(`${dump}.frames.tsv`)
    .slice(1)
    .map(([, address, stackPointer]) => ({ address: hex(BigInt(address!)), stackPointer: hex(BigInt(stackPointer!)) }))
    .filter(({ address }) => address !== "0x0");
}
