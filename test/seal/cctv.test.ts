import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { inflateSync } from "node:zlib";
import * as vectors from "cctv-age";
import { describe, expect, it } from "vitest";
import type { StopcodeError } from "../../src/binary/index.ts";
import { openSealed } from "../../src/seal/index.ts";
import { temporaryFolder } from "./folder.ts";

/** One file of the C2SP age test kit: a header of `key: value` lines, an empty line, then the age file. */
interface Vector {
  readonly expect: string;
  readonly payload: string | undefined;
  readonly identities: readonly string[];
  readonly passphrase: boolean;
  readonly armored: boolean;
  readonly file: Uint8Array;
}

function parse(bytes: Uint8Array): Vector {
  const raw = Buffer.from(bytes);
  const split = raw.indexOf("\n\n");
  const pairs = raw
    .toString("latin1", 0, split)
    .split("\n")
    .map((line) => [line.slice(0, line.indexOf(": ")), line.slice(line.indexOf(": ") + 2)] as const);
  const all = (key: string) => pairs.filter(([name]) => name === key).map(([, value]) => value);
  const body = raw.subarray(split + 2);
  return {
    expect: all("expect")[0]!,
    payload: all("payload")[0],
    identities: all("identity"),
    passphrase: all("passphrase").length > 0,
    armored: all("armored").length > 0,
    file: all("compressed")[0] === "zlib" ? inflateSync(body) : body,
  };
}

/** What our errors say for each outcome that the kit tells apart. */
const CODES: Readonly<Record<string, readonly string[]>> = {
  "no match": ["seal/wrong-identity"],
  "HMAC failure": ["seal/header-authentication"],
  "header failure": ["seal/not-age", "seal/header", "seal/truncated"],
  "payload failure": ["seal/damaged", "seal/truncated"],
};

const folder = temporaryFolder();

async function open(name: string, vector: Vector) {
  const path = join(folder, name);
  writeFileSync(path, vector.file);
  const hash = createHash("sha256");
  try {
    for await (const chunk of openSealed(path, vector.identities)) hash.update(chunk);
    return { code: "success", released: hash.digest("hex") };
  } catch (error) {
    return { code: (error as StopcodeError).code, released: hash.digest("hex") };
  }
}

const kit = Object.entries(vectors as unknown as Record<string, Uint8Array>)
  .filter(([, bytes]) => bytes instanceof Uint8Array)
  .map(([name, bytes]) => [name, parse(bytes)] as const);
const ours = kit.filter(([, vector]) => !vector.armored && !vector.passphrase);

describe("the C2SP age test kit: every vector with X25519 or hybrid identities, or none", () => {
  it("brings the vectors: stanzas, headers, HMACs and streams", () => {
    expect(ours.length).toBeGreaterThanOrEqual(85);
    expect(new Set(ours.map(([, vector]) => vector.expect))).toEqual(new Set(["success", ...Object.keys(CODES)]));
  });

  it.each(ours)("%s", async (name, vector) => {
    const { code, released } = await open(name, vector);
    if (vector.expect === "success") expect(code).toBe("success");
    else expect(CODES[vector.expect]).toContain(code);
    if (vector.payload !== undefined) expect(released).toBe(vector.payload);
  });
});

describe("the C2SP age test kit: what a private.age never is", () => {
  it.each(kit.filter(([, vector]) => vector.armored))(
    "%s: text armor is refused and nothing released",
    async (...v) => {
      const { code, released } = await open(...v);
      expect(["seal/armored", "seal/not-age"]).toContain(code);
      expect(released).toBe(createHash("sha256").digest("hex"));
    },
  );

  it.each(kit.filter(([, vector]) => vector.passphrase && !vector.armored))(
    "%s: a passphrase file opens for no identity",
    async (name, vector) => {
      const { code, released } = await open(name, { ...vector, identities: [] });
      expect(["seal/wrong-identity", "seal/header"]).toContain(code);
      expect(released).toBe(createHash("sha256").digest("hex"));
    },
  );
});
