import { createHash, createPublicKey, verify } from "node:crypto";

/**
 * Signatures as `ssh-keygen -Y sign` makes them, with Ed25519 keys. Source: OpenSSH, PROTOCOL.sshsig; RFC 8709 for the key and
 * the signature inside.
 */

const MAGIC = "SSHSIG";
const VERSION = 1;
const ALGORITHM = "ssh-ed25519";
const POINT = 32;
const BYTES = 64;
const HASHES = ["sha256", "sha512"];
const ARMOUR = /^-----BEGIN SSH SIGNATURE-----\n([A-Za-z0-9+/=\n]+)\n-----END SSH SIGNATURE-----\n?$/;

/** A signature, read; nothing is known yet of whether it is right. */
export interface SshSignature {
  /** What the key was used for: a signature for one purpose is none for another. */
  readonly namespace: string;
  /** The public key it says it is of, as it stands in a `.pub` file without its comment. */
  readonly publicKey: string;
  /** The key itself, 32 bytes. */
  readonly point: Uint8Array;
  readonly reserved: Uint8Array;
  readonly hash: string;
  /** 64 bytes. */
  readonly bytes: Uint8Array;
}

/** Reads a signature file; a text in words says what is wrong with one that cannot be used. */
export function readSshSignature(text: string): SshSignature | string {
  const base64 = ARMOUR.exec(text.replaceAll("\r\n", "\n"))?.[1];
  if (base64 === undefined) return "it is no SSH signature";
  try {
    const blob = new WireReader(Buffer.from(base64, "base64"));
    if (blob.take(MAGIC.length).toString("latin1") !== MAGIC) return "it is no SSH signature";
    const version = blob.number();
    if (version !== VERSION) return `its version is ${version}, and only ${VERSION} is known`;
    const [key, namespace, reserved, hash] = [blob.string(), blob.text(), blob.string(), blob.text()];
    const signature = new WireReader(blob.string());
    const algorithm = signature.text();
    if (algorithm !== ALGORITHM) return `its algorithm is ${algorithm}, and only ${ALGORITHM} is read`;
    if (!HASHES.includes(hash)) return `it is made over a hash by ${hash}`;
    const inKey = new WireReader(key);
    if (inKey.text() !== ALGORITHM) return "its key is of another algorithm";
    const [point, bytes] = [inKey.string(), signature.string()];
    if (point.length !== POINT || bytes.length !== BYTES) return "it is cut off";
    return { namespace, publicKey: `${ALGORITHM} ${key.toString("base64")}`, point, reserved, hash, bytes };
  } catch (error) {
    if (error instanceof RangeError) return "it is cut off";
    throw error;
  }
}

/** The Ed25519 public keys in a text such as a `.pub` file or a list of allowed signers: one a line, without their comments. */
export const publicKeys = (text: string): string[] =>
  [...text.matchAll(/^(?!\s*#).*?\b(ssh-ed25519 +[A-Za-z0-9+/]+=*)/gm)].map(([, key]) => key!.replace(/ +/, " "));

/** Whether the key that a signature names made it over this message. */
export function isSignatureOf(signature: SshSignature, message: Uint8Array): boolean {
  const x = Buffer.from(signature.point).toString("base64url");
  const signed = Buffer.concat([
    Buffer.from(MAGIC, "latin1"),
    wireString(Buffer.from(signature.namespace)),
    wireString(signature.reserved),
    wireString(Buffer.from(signature.hash)),
    wireString(createHash(signature.hash).update(message).digest()),
  ]);
  return verify(
    null,
    signed,
    createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" }),
    signature.bytes,
  );
}

/** `string` of RFC 4251: its length in four bytes, and its bytes. */
function wireString(bytes: Uint8Array): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

/** Reads what {@link wireString} writes. Throws RangeError at the end. */
class WireReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  take(length: number): Buffer {
    const end = this.#at + length;
    if (end > this.#bytes.length) throw new RangeError("past the end");
    const taken = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }

  number(): number {
    return this.take(4).readUInt32BE();
  }

  string(): Buffer {
    return this.take(this.number());
  }

  text(): string {
    return this.string().toString("utf8");
  }
}
