import { readFileSync, statSync } from "node:fs";
import { StopcodeError } from "../binary/index.ts";
import type { DocumentKind } from "./kind.ts";
import { limits } from "./limits.ts";

/**
 * The text of a file that a person wrote.
 * @throws StopcodeError `io/open` when there is no such file, or it is none; `…/too-large` beyond {@link limits}
 */
export function readText(kind: DocumentKind, file: string): string {
  try {
    const found = statSync(file);
    // A device has no size, and no end either.
    if (!found.isFile()) throw new Error("it is not a file");
    if (found.size <= limits.bytes) return readFileSync(file, "utf8");
    throw new StopcodeError(
      `${kind.prefix}/too-large`,
      `${found.size} bytes are more than the ${limits.bytes} allowed`,
      { where: { file }, hint: `check that this is the ${kind.name}; split it when it is` },
    );
  } catch (cause) {
    if (cause instanceof StopcodeError) throw cause;
    throw new StopcodeError("io/open", `cannot read the ${kind.name}: ${(cause as Error).message}`, {
      where: { file },
      hint: "check the path and the rights on the file",
      cause,
    });
  }
}
