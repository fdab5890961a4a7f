import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** An entry that is right in everything; tests change one thing in it. */
export const soundEntry: Readonly<Record<string, unknown>> = {
  code: 0x9f,
  name: "DRIVER_POWER_STATE_FAILURE",
  family: "power",
  summary: "a power request came to no end",
  parameters: ["which transition failed", "by parameter 1", "by parameter 1", "by parameter 1"],
  causes: ["a driver that keeps a request"],
  advice: ["update that driver"],
};

/** A file of a catalogue, as text: JSON is YAML. */
export const catalogueText = (...entries: Readonly<Record<string, unknown>>[]): string =>
  JSON.stringify({ codes: entries.map((entry) => ({ ...soundEntry, ...entry })) }, null, 1);

/** Writes a catalogue into a new folder of a test's own. */
export function catalogueFolder(place: string, files: Readonly<Record<string, string>>): string {
  mkdirSync(place);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(place, name), text);
  return place;
}
