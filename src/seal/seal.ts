import { randomBytes } from "node:crypto";
import { StopcodeError } from "../binary/index.ts";
import { CHUNK_BYTES, chunkEngine, chunkNonce, PAYLOAD_NONCE_BYTES, payloadKey, TAG_BYTES } from "./chunk-cipher.ts";
import { addRecipients } from "./recipients.ts";

/**
 * Seals bytes for age recipients as they come: an age v1 file, front to back, one 64 KiB chunk in memory at a time.
 * The machine that seals keeps nothing that could open the file again.
 *
 * @param chunks any sizes; each is used up before the next is asked for
 * @throws StopcodeError `seal/recipient` or `seal/no-recipient`, before the first byte
 */
export async function* sealStream(
  chunks: Iterable<Uint8Array>,
  recipients: readonly string[],
): AsyncGenerator<Uint8Array, void, undefined> {
  const { header, fileKey } = await newHeader(recipients);
  const engine = await chunkEngine();
  const nonce = randomBytes(PAYLOAD_NONCE_BYTES);
  const key = payloadKey(fileKey, nonce);
  yield Buffer.concat([header, nonce]);

  const plaintext = new Uint8Array(CHUNK_BYTES);
  let used = 0;
  let index = 0;
  for (const chunk of chunks) {
    for (let at = 0; at < chunk.length; ) {
      // A full chunk waits until more comes: the last chunk may be full, but never empty.
      if (used === CHUNK_BYTES) {
        yield engine.seal(key, chunkNonce(index++, false), plaintext);
        used = 0;
      }
      const taken = chunk.subarray(at, at + CHUNK_BYTES - used);
      plaintext.set(taken, used);
      used += taken.length;
      at += taken.length;
    }
  }
  yield engine.seal(key, chunkNonce(index, true), plaintext.subarray(0, used));
}

/** Bytes that sealing adds at most: one tag a chunk, and a header with room for a post-quantum stanza each. */
export function sealingOverhead(plaintextBytes: number, recipients: number): number {
  const chunks = Math.max(1, Math.ceil(plaintextBytes / CHUNK_BYTES));
  return chunks * TAG_BYTES + PAYLOAD_NONCE_BYTES + 128 + recipients * 2048;
}

async function newHeader(recipients: readonly string[]): Promise<{ header: Uint8Array; fileKey: Uint8Array }> {
  if (recipients.length === 0)
    throw new StopcodeError("seal/no-recipient", "there is nobody to seal for", {
      hint: "give at least one age recipient (`age1…`), made with `age-keygen`",
    });
  const { Encrypter } = await import("age-encryption");
  const encrypter = new Encrypter();
  addRecipients(encrypter, recipients);
  let fileKey = new Uint8Array(0);
  // The package draws the file key itself and shows it to recipients only. This one adds no stanza, it listens;
  // so the header comes from the package, and the payload from the faster engine, under a nonce of its own.
  encrypter.addRecipient({
    wrapFileKey(key) {
      fileKey = Uint8Array.from(key);
      return [];
    },
  });
  const empty = await encrypter.encrypt(new Uint8Array(0));
  return { header: empty.subarray(0, empty.length - PAYLOAD_NONCE_BYTES - TAG_BYTES), fileKey };
}
