import { renameSync, writeFileSync } from "node:fs";
import { StopcodeError } from "../binary/index.ts";

/** Writes a file that must not be there yet. @throws StopcodeError `usage/exists` when it is */
export function writeNew(file: string, text: string): void {
  try {
    writeFileSync(file, text, { flag: "wx" });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "EEXIST") throw cause;
    throw new StopcodeError("usage/exists", "there is such a file, and it is not overwritten", {
      where: { file },
      hint: "choose another name",
      cause,
    });
  }
}

/** Puts a text in the place of a file's: whoever reads it sees the old one whole, or the new one. */
export function replaceText(file: string, text: string): void {
  const beside = `${file}.${process.pid}.tmp`;
  writeFileSync(beside, text, { flag: "wx" });
  renameSync(beside, file);
}
