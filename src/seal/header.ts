import { StopcodeError } from "../binary/index.ts";
import type { OpenFile } from "./file.ts";

/** The header of an age file: text, from the version line to the MAC line (c2sp.org/age, "Header"). */
export interface SealHeader {
  /** Every byte of it, MAC line included; the payload nonce follows. */
  readonly text: Uint8Array;
  /** The kind of each recipient stanza, in order: `X25519`, `mlkem768x25519` … Which key it is for, a header does not say. */
  readonly stanzas: readonly string[];
}

const VERSION_LINE = "age-encryption.org/v1\n";
const ARMOR = "-----BEGIN AGE";
/** Room for 600 post-quantum recipients; whoever writes more lines is no friend. */
const LONGEST_HEADER = 1024 * 1024;
/** `--- ` and 32 bytes of HMAC-SHA-256 in base64 without padding. */
const MAC_LINE = 4 + 43;
const STEP = 4096;

/**
 * The header at the start of an open file. Its MAC is checked by whoever has an identity, not here.
 *
 * @throws StopcodeError `seal/not-age`, `seal/armored`, `seal/header`, `seal/truncated`
 */
export function readHeader({ path, bytes: fileBytes, read }: OpenFile): SealHeader {
  for (let length = STEP; ; length *= 4) {
    const seen = read(0, Math.min(length, LONGEST_HEADER, fileBytes));
    checkBeginning(path, seen);
    const macLine = seen.indexOf("\n---") + 1;
    const end = macLine > 0 ? seen.indexOf("\n", macLine) : -1;
    if (end >= 0) {
      if (end - macLine !== MAC_LINE)
        throw new StopcodeError("seal/header", "the line of the header's MAC has the wrong length", {
          where: { file: path, offset: macLine },
          hint: "the file is damaged: take it from where it was first written",
        });
      const text = Buffer.from(seen.subarray(0, end + 1));
      return { text, stanzas: stanzaKinds(text) };
    }
    if (seen.length === fileBytes)
      throw new StopcodeError("seal/truncated", "the file ends inside the header", {
        where: { file: path, offset: fileBytes },
        hint: "copy the file again: its payload is missing altogether",
      });
    if (seen.length === LONGEST_HEADER)
      throw new StopcodeError("seal/header", `the header does not end within ${LONGEST_HEADER} bytes`, {
        where: { file: path, offset: LONGEST_HEADER },
        hint: "no program that writes age files makes such a header: look where the file comes from",
      });
  }
}

function checkBeginning(file: string, bytes: Buffer): void {
  const beginning = bytes.toString("latin1", 0, VERSION_LINE.length);
  if (beginning.startsWith(ARMOR))
    throw new StopcodeError("seal/armored", "this is an age file in text armor, not a binary one", {
      where: { file, offset: 0 },
      hint: "`age -d` opens it; a private.age of a crash is always binary",
    });
  if (beginning !== VERSION_LINE)
    throw new StopcodeError(
      "seal/not-age",
      "this is not an age v1 file: it does not begin with age-encryption.org/v1",
      {
        where: { file, offset: 0 },
        hint: "name the private.age of a crash folder",
      },
    );
}

const stanzaKinds = (text: Buffer): string[] =>
  text
    .toString("latin1")
    .split("\n")
    .filter((line) => line.startsWith("-> "))
    .map((line) => line.split(" ")[1] ?? "");
