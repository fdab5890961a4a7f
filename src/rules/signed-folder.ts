import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import { StopcodeError } from "../binary/index.ts";
import { readText } from "../document/index.ts";
import { publicKeyKind, signedListKind } from "./document-kinds.ts";
import { isSignatureOf, publicKeys, readSshSignature } from "./ssh-signature.ts";

/**
 * A folder of packs is signed as a whole: `SHA256SUMS` lists every file in it, tests and all, as `sha256sum` does, and
 * `SHA256SUMS.sig` is the list's SSH signature. `ssh-keygen -Y verify` and `sha256sum -c` check both without this program.
 */
const LIST = "SHA256SUMS";
const SIGNATURE = "SHA256SUMS.sig";
const NAMESPACE = "stopcode-rules";

/** Nothing is read from these, and both change without anybody's doing. */
const NOT_SIGNED = [".git", "node_modules"];

/** The document of `rules sign --json`. */
export interface SignedFolder {
  readonly folder: string;
  readonly files: readonly string[];
  /** Who can check it: the line of a `.pub` file. */
  readonly publicKey: string;
}

/**
 * Signs a folder with `ssh-keygen`, which knows how to ask for a passphrase or an agent: no private key is read here.
 *
 * @throws StopcodeError `rules/signing` when that fails, or the key is no Ed25519 key
 */
export function signFolder(folder: string, keyFile: string): SignedFolder {
  const digests = digestsIn(folder);
  const list = [...digests].map(([name, digest]) => `${digest}  ${name}\n`).join("");
  const { error, status, stdout, stderr } = spawnSync("ssh-keygen", ["-Y", "sign", "-f", keyFile, "-n", NAMESPACE], {
    input: list,
    encoding: "utf8",
  });
  if (error || status !== 0) {
    const said = error ? error.message : stderr.trim().split("\n").at(-1)!;
    throw new StopcodeError("rules/signing", `ssh-keygen does not sign: ${said}`, {
      where: { file: keyFile },
      hint: "the key is a private SSH key, or its public half when an agent holds the other; OpenSSH must be installed",
    });
  }
  const signature = readSshSignature(stdout);
  if (typeof signature === "string" || !isSignatureOf(signature, Buffer.from(list))) {
    const wrong = typeof signature === "string" ? signature : "it is not right";
    throw new StopcodeError("rules/signing", `the signature cannot be used: ${wrong}`, {
      where: { file: keyFile },
      hint: "make a key for it: ssh-keygen -t ed25519",
    });
  }
  writeFileSync(join(folder, LIST), list);
  writeFileSync(join(folder, SIGNATURE), stdout);
  return { folder, files: [...digests.keys()], publicKey: signature.publicKey };
}

/** Throws StopcodeError unless this is the text of a signed file. */
export type TextCheck = (file: string, text: string) => void;

/**
 * Checks the folders that pack files lie in, whole, and gives out the check of each text that is read from them afterwards: what
 * was checked is what is used.
 *
 * @param keyFile public keys, one a line; one of them must have signed
 * @throws StopcodeError `rules/unsigned`, `rules/signature`, or `rules/signed-content` with the name of everything that is otherwise
 */
export function signedTexts(files: readonly string[], keyFile: string): TextCheck {
  const keys = publicKeys(readText(publicKeyKind, keyFile));
  if (keys.length === 0) {
    throw new StopcodeError("rules/public-key", "there is no Ed25519 public key in it", {
      where: { file: keyFile },
      hint: "name a file such as id_ed25519.pub, whose line begins with ssh-ed25519",
    });
  }
  const folders = new Set(files.map((file) => resolve(dirname(file))));
  const signed = new Map([...folders].flatMap((folder) => [...signedDigests(folder, keys)]));
  return (file, text) => {
    if (signed.get(resolve(file)) === digestOf(text)) return;
    throw new StopcodeError("rules/signed-content", "this file is not among those that were signed", {
      where: { file },
    });
  };
}

/** The digests that a folder's signed list promises, by absolute path, when all in the folder is as it says. */
function signedDigests(folder: string, keys: readonly string[]): [string, string][] {
  const [listFile, signatureFile] = [join(folder, LIST), join(folder, SIGNATURE)];
  for (const file of [listFile, signatureFile]) {
    if (!existsSync(file)) {
      throw new StopcodeError("rules/unsigned", "the packs here are not signed", {
        where: { file: folder },
        hint: "`stopcode rules sign` signs a folder of packs",
      });
    }
  }
  const list = readText(signedListKind, listFile);
  const signature = readSshSignature(readText(signedListKind, signatureFile));
  const refuse = (message: string, hint: string) =>
    new StopcodeError("rules/signature", message, { where: { file: signatureFile }, hint });
  if (typeof signature === "string")
    throw refuse(`the signature cannot be used: ${signature}`, "sign the folder again");
  if (signature.namespace !== NAMESPACE) {
    throw refuse(`it is a signature for \`${signature.namespace}\`, not for packs`, `sign for \`${NAMESPACE}\``);
  }
  if (!keys.includes(signature.publicKey)) {
    throw refuse("the packs are signed with another key", `it is ${signature.publicKey}`);
  }
  if (!isSignatureOf(signature, Buffer.from(list))) {
    throw refuse(`the signature is not of this ${LIST}`, "one of the two was changed: do not use these packs");
  }
  const promised = new Map(
    [...list.matchAll(/^([0-9a-f]{64}) {2}(.+)$/gm)].map(([, digest, name]) => [name!, digest!] as const),
  );
  const wrong = differences(promised, digestsIn(folder));
  if (wrong.length > 0) {
    throw new StopcodeError("rules/signed-content", `not as it was signed: ${wrong.join(", ")}`, {
      where: { file: folder },
      hint: "do not use these packs, or have them signed again",
    });
  }
  return [...promised].map(([name, digest]) => [join(folder, name), digest]);
}

function differences(promised: ReadonlyMap<string, string>, found: ReadonlyMap<string, string>): string[] {
  const removed = [...promised.keys()].filter((name) => !found.has(name)).map((name) => `${name} is gone`);
  const other = [...found].flatMap(([name, digest]) => {
    if (!promised.has(name)) return [`${name} was added`];
    return promised.get(name) === digest ? [] : [`${name} was changed`];
  });
  return [...removed, ...other];
}

const digestOf = (content: string | Uint8Array): string => createHash("sha256").update(content).digest("hex");

/**
 * The SHA-256 of every file below a folder, by its path there with `/`, in the order of the paths.
 * @throws StopcodeError `rules/signing` for what has no content of its own, or no name that can stand in a list
 */
function digestsIn(folder: string): Map<string, string> {
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) {
    throw new StopcodeError("io/open", "there is no such folder", { where: { file: folder }, hint: "check the path" });
  }
  const names: string[] = [];
  const walk = (within: string): void => {
    for (const entry of readdirSync(within, { withFileTypes: true })) {
      if (NOT_SIGNED.includes(entry.name)) continue;
      const path = join(within, entry.name);
      if (entry.isDirectory()) {
        walk(path);
        continue;
      }
      if (!entry.isFile() || /[\\\n\r]/.test(entry.name)) {
        throw new StopcodeError("rules/signing", "only plain files can be signed", {
          where: { file: path },
          hint: "replace links by what they lead to; names have no backslash or line break",
        });
      }
      names.push(relative(folder, path).split(sep).join("/"));
    }
  };
  walk(folder);
  const signed = names.filter((name) => name !== LIST && name !== SIGNATURE).sort();
  return new Map(signed.map((name) => [name, digestOf(readFileSync(join(folder, name)))]));
}
