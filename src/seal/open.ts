import { StopcodeError } from "../binary/index.ts";
import { CHUNK_BYTES, chunkEngine, chunkNonce, PAYLOAD_NONCE_BYTES, payloadKey, TAG_BYTES } from "./chunk-cipher.ts";
import { openFile } from "./file.ts";
import { readHeader, type SealHeader } from "./header.ts";

/** What a sealed file shows to everybody. */
export interface SealedFile {
  /** The kind of each recipient stanza: `X25519`, `mlkem768x25519` … Which keys they are for, a header does not say. */
  readonly stanzas: readonly string[];
  /** Bytes that come out when it is opened. */
  readonly plaintextBytes: number;
}

const SEALED_CHUNK = CHUNK_BYTES + TAG_BYTES;

/**
 * The header of a sealed file and the size of what is in it; needs no identity, so nothing is authenticated yet.
 *
 * @throws StopcodeError `io/open`, `seal/not-age`, `seal/armored`, `seal/header`, `seal/truncated`
 */
export function inspectSealed(path: string): SealedFile {
  const file = openFile(path);
  try {
    const { bytes } = file;
    const header = readHeader(file);
    const { start, chunks } = payloadOf(header, bytes);
    if (bytes - start - (chunks - 1) * SEALED_CHUNK < TAG_BYTES) throw cutOff(path, bytes);
    return { stanzas: header.stanzas, plaintextBytes: bytes - start - chunks * TAG_BYTES };
  } finally {
    file.close();
  }
}

/**
 * Opens an age v1 file: its plaintext in chunks of up to 64 KiB, each authenticated before it is handed out, with bounded memory.
 * A file that was cut off shows only at its last chunk: what came before is genuine, but keep none of it unless the
 * generator ends without an error.
 *
 * @throws StopcodeError `seal/wrong-identity`, `seal/header-authentication`, `seal/damaged`, `seal/truncated` and what
 * `inspectSealed` throws; `where.offset` is the place in the file
 */
export async function* openSealed(
  path: string,
  identities: readonly string[],
): AsyncGenerator<Uint8Array, void, undefined> {
  const file = openFile(path);
  try {
    const { bytes } = file;
    const header = readHeader(file);
    const fileKey = await openHeader(path, header, identities);
    const { start, chunks } = payloadOf(header, bytes);
    const nonce = file.read(header.text.length, PAYLOAD_NONCE_BYTES);
    const key = payloadKey(fileKey, nonce);
    const engine = await chunkEngine();
    for (let index = 0; index < chunks; index++) {
      const offset = start + index * SEALED_CHUNK;
      const last = index === chunks - 1;
      const sealed = file.read(offset, Math.max(0, Math.min(SEALED_CHUNK, bytes - offset)));
      if (sealed.length < TAG_BYTES) throw cutOff(path, bytes);
      const plaintext = engine.open(key, chunkNonce(index, last), sealed);
      if (plaintext === null) {
        const full = sealed.length === SEALED_CHUNK;
        const misplaced = full ? engine.open(key, chunkNonce(index, !last), sealed) : null;
        if (misplaced === null) throw damaged(path, offset, index);
        // It is genuine, so it is handed out; but where it stands, something is missing or too much.
        yield misplaced;
        throw last ? cutBetweenChunks(path, bytes) : grown(path, offset + sealed.length);
      }
      // Two ways to write the same bytes would be one too many: only an empty payload has an empty last chunk.
      if (plaintext.length === 0 && index > 0) throw damaged(path, offset, index);
      yield plaintext;
    }
  } finally {
    file.close();
  }
}

async function openHeader(path: string, header: SealHeader, identities: readonly string[]): Promise<Uint8Array> {
  const { Decrypter } = await import("age-encryption");
  const decrypter = new Decrypter();
  for (const identity of identities) {
    try {
      decrypter.addIdentity(identity);
    } catch {
      throw new StopcodeError("seal/identity", "one of the identities given is no age identity", {
        hint: "an identity is a line `AGE-SECRET-KEY-1…` as `age-keygen` writes it",
      });
    }
  }
  try {
    return await decrypter.decryptHeader(header.text);
  } catch (cause) {
    throw headerError(path, header, cause as Error);
  }
}

function headerError(path: string, header: SealHeader, cause: Error): StopcodeError {
  if (cause.message.startsWith("no identity matched"))
    return new StopcodeError("seal/wrong-identity", "none of the identities given opens this file", {
      where: { file: path, offset: 0 },
      hint: "give the identity of one of its recipients; if it is the right one, the header is damaged",
      cause,
    });
  const macLine = Buffer.from(header.text).lastIndexOf("\n---") + 1;
  if (cause.message === "invalid header HMAC")
    return new StopcodeError("seal/header-authentication", "the header was changed after it was sealed", {
      where: { file: path, offset: macLine },
      hint: "take the file from where it was first written; do not trust this copy",
      cause,
    });
  return new StopcodeError("seal/header", `the header is not what age writes: ${cause.message}`, {
    where: { file: path, offset: 0 },
    hint: "the file is damaged: take it from where it was first written",
    cause,
  });
}

/** Where the chunks start, and how many there are: an empty payload still has one, of nothing but its tag. */
function payloadOf(header: SealHeader, bytes: number) {
  const start = header.text.length + PAYLOAD_NONCE_BYTES;
  return { start, chunks: Math.max(1, Math.ceil((bytes - start) / SEALED_CHUNK)) };
}

const cutOff = (file: string, offset: number) =>
  new StopcodeError("seal/truncated", "the file ends before the tag of its last chunk", {
    where: { file, offset },
    hint: "the file was cut off: copy it again",
  });

const damaged = (file: string, offset: number, index: number) =>
  new StopcodeError("seal/damaged", `chunk ${index} is not what was sealed: its tag does not fit`, {
    where: { file, offset },
    hint: "the file was changed or cut off: take it from where it was first written",
  });

const cutBetweenChunks = (file: string, offset: number) =>
  new StopcodeError("seal/truncated", "the file was cut off between two chunks: what should follow is missing", {
    where: { file, offset },
    hint: "copy the file again",
  });

const grown = (file: string, offset: number) =>
  new StopcodeError("seal/damaged", "something was appended behind the last chunk", {
    where: { file, offset },
    hint: "take the file from where it was first written",
  });
