import type { Encrypter } from "age-encryption";
import { StopcodeError, type Where } from "../binary/index.ts";

/**
 * The recipients in a text, one a line; empty lines and lines that begin with `#` are for people.
 *
 * @param file named in errors
 * @throws StopcodeError `seal/recipient` with the line
 */
export async function parseRecipients(text: string, file?: string): Promise<string[]> {
  const { Encrypter } = await import("age-encryption");
  const recipients: string[] = [];
  for (const [index, raw] of text.split("\n").entries()) {
    const line = raw.trim();
    if (line === "" || line.startsWith("#")) continue;
    addRecipient(new Encrypter(), line, { ...(file === undefined ? {} : { file }), line: index + 1, column: 1 });
    recipients.push(line);
  }
  return recipients;
}

/** @throws StopcodeError `seal/recipient` for the first one that is not an age recipient */
export async function checkRecipients(recipients: readonly string[]): Promise<void> {
  const { Encrypter } = await import("age-encryption");
  addRecipients(new Encrypter(), recipients);
}

/** Each recipient once. */
export function addRecipients(encrypter: Encrypter, recipients: readonly string[]): void {
  for (const recipient of new Set(recipients)) addRecipient(encrypter, recipient, {});
}

function addRecipient(encrypter: Encrypter, recipient: string, where: Where): void {
  if (/^AGE-(SECRET-KEY|PLUGIN)-/i.test(recipient))
    // The key itself stays out of the message: messages end up in logs.
    throw new StopcodeError("seal/recipient", "a secret identity stands where a public recipient belongs", {
      where,
      hint: "treat the key as known to others; `age-keygen -y FILE` prints the recipient of an identity",
    });
  try {
    encrypter.addRecipient(recipient);
  } catch (cause) {
    throw new StopcodeError("seal/recipient", `${JSON.stringify(recipient.slice(0, 80))} is no age recipient`, {
      where,
      hint: recipient.startsWith("ssh-")
        ? "SSH keys are not supported: make an age key with `age-keygen` and give its `age1…`"
        : "a recipient is the `age1…` text that `age-keygen` prints as the public key; copy all of it",
      cause,
    });
  }
}
