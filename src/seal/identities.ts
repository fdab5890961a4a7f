import { readFileSync, statSync } from "node:fs";
import { StopcodeError } from "../binary/index.ts";

const LARGEST_FILE = 1024 * 1024;

/**
 * The identities (`AGE-SECRET-KEY-1…`, `AGE-SECRET-KEY-PQ-1…`) of a file as `age-keygen` writes it: one a line, with comments.
 *
 * @throws StopcodeError `io/open`, or `seal/identity` with the line; no message ever holds a key
 */
export async function readIdentityFile(path: string): Promise<string[]> {
  const identities: string[] = [];
  for (const [index, raw] of readText(path).split("\n").entries()) {
    const line = raw.trim();
    if (line === "" || line.startsWith("#")) continue;
    await recipientOf(line, { file: path, line: index + 1, column: 1 });
    identities.push(line);
  }
  if (identities.length === 0)
    throw new StopcodeError("seal/identity", "there is no identity in the file", {
      where: { file: path },
      hint: "an identity is a line `AGE-SECRET-KEY-1…`; `age-keygen -o FILE` makes one",
    });
  return identities;
}

/**
 * The public recipients of identities, in the same order: for "sealed for these, yours are those".
 *
 * @throws StopcodeError `seal/identity`
 */
export function recipientsOf(identities: readonly string[]): Promise<string[]> {
  return Promise.all(identities.map((identity) => recipientOf(identity, {})));
}

async function recipientOf(identity: string, where: { file?: string; line?: number; column?: number }) {
  const { identityToRecipient } = await import("age-encryption");
  try {
    return await identityToRecipient(identity);
  } catch {
    // The package's error is not kept as the cause: it may quote what it could not decode.
    throw new StopcodeError("seal/identity", "this is no age identity", { where, hint: adviceFor(identity) });
  }
}

function adviceFor(line: string): string {
  if (line.startsWith("age1")) return "this is the public recipient; the identity begins with AGE-SECRET-KEY-";
  if (line.startsWith("age-encryption.org")) return "the identity file is itself sealed: open it with `age -d` first";
  if (line.startsWith("-----BEGIN")) return "SSH and PEM keys are not supported: name a file made by `age-keygen`";
  return "a letter is wrong or missing: copy the whole line AGE-SECRET-KEY-… again";
}

function readText(path: string): string {
  try {
    const bytes = statSync(path).size;
    if (bytes > LARGEST_FILE) throw new Error(`${bytes} bytes are too many for a file of keys`);
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new StopcodeError("io/open", `cannot read the identity file: ${(cause as Error).message}`, {
      where: { file: path },
      hint: "check the path, and that you may read it",
      cause,
    });
  }
}
