import { createCipheriv, createDecipheriv, getCiphers, hkdfSync } from "node:crypto";

/** Plaintext bytes of every chunk but the last (c2sp.org/age, "Payload"). */
export const CHUNK_BYTES = 64 * 1024;
/** Poly1305 tag behind each chunk. */
export const TAG_BYTES = 16;
/** Random bytes between the header and the first chunk; the payload key is derived with them. */
export const PAYLOAD_NONCE_BYTES = 16;

const CIPHER = "chacha20-poly1305";

/** ChaCha20-Poly1305 (RFC 8439) over one chunk at a time. */
export interface ChunkEngine {
  /** The ciphertext with its tag behind it. */
  seal(key: Uint8Array, nonce: Uint8Array, plaintext: Uint8Array): Uint8Array;
  /** The plaintext, or null when the tag does not fit. `sealed` holds at least the tag. */
  open(key: Uint8Array, nonce: Uint8Array, sealed: Uint8Array): Uint8Array | null;
}

/** OpenSSL's cipher, ten times as fast as any in JavaScript. */
export const nodeEngine: ChunkEngine = {
  seal(key, nonce, plaintext) {
    const cipher = createCipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES });
    const body = cipher.update(plaintext);
    return Buffer.concat([body, cipher.final(), cipher.getAuthTag()]);
  },
  open(key, nonce, sealed) {
    const end = sealed.length - TAG_BYTES;
    const decipher = createDecipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES });
    decipher.setAuthTag(sealed.subarray(end));
    const plaintext = decipher.update(sealed.subarray(0, end));
    try {
      decipher.final();
    } catch {
      return null;
    }
    return plaintext;
  },
};

/** The same cipher without OpenSSL. */
export async function nobleEngine(): Promise<ChunkEngine> {
  const { chacha20poly1305 } = await import("@noble/ciphers/chacha.js");
  return {
    seal: (key, nonce, plaintext) => chacha20poly1305(key, nonce).encrypt(plaintext),
    open(key, nonce, sealed) {
      try {
        return chacha20poly1305(key, nonce).decrypt(sealed);
      } catch {
        return null;
      }
    },
  };
}

/** OpenSSL's engine where this Node has the cipher; builds restricted to FIPS algorithms have not, and take noble's. */
export async function chunkEngine(): Promise<ChunkEngine> {
  return getCiphers().includes(CIPHER) ? nodeEngine : await nobleEngine();
}

/** HKDF-SHA-256 of the file key, with the payload nonce as salt and "payload" as info (c2sp.org/age, "Payload"). */
export function payloadKey(fileKey: Uint8Array, payloadNonce: Uint8Array): Uint8Array {
  return new Uint8Array(hkdfSync("sha256", fileKey, payloadNonce, "payload", 32));
}

/** STREAM nonce: the chunk's number in 11 bytes, big-endian, then 1 for the last chunk and 0 for all others. */
export function chunkNonce(index: number, last: boolean): Uint8Array {
  const nonce = Buffer.alloc(12);
  nonce.writeUIntBE(Math.floor(index / 2 ** 32), 3, 4);
  nonce.writeUInt32BE(index % 2 ** 32, 7);
  nonce[11] = last ? 1 : 0;
  return nonce;
}
