import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Decrypter, generateHybridIdentity, generateX25519Identity, identityToRecipient } from "age-encryption";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import type { StopcodeError } from "../../src/binary/index.ts";
import { chunkNonce, nobleEngine, nodeEngine } from "../../src/seal/chunk-cipher.ts";
import { inspectSealed, openSealed, sealingOverhead, sealStream } from "../../src/seal/index.ts";
import { withPeers } from "../peers.ts";
import { temporaryFolder } from "./folder.ts";

const CHUNK = 65_536;
const folder = temporaryFolder();
const alice = { identity: "", recipient: "", file: join(folder, "alice.key") };
const bob = { identity: "", recipient: "", file: join(folder, "bob.key") };

beforeAll(async () => {
  for (const person of [alice, bob]) {
    person.identity = await generateX25519Identity();
    person.recipient = await identityToRecipient(person.identity);
    writeFileSync(person.file, `${person.identity}\n`);
  }
});

async function gather(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  return Buffer.concat(parts);
}

const seal = (plaintext: Uint8Array, ...recipients: string[]) => gather(sealStream([plaintext], recipients));

function* pieces(bytes: Uint8Array, size: number) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function outcome(file: Uint8Array, identity = alice.identity) {
  const path = join(folder, "under-test.age");
  writeFileSync(path, file);
  let released = 0;
  try {
    for await (const chunk of openSealed(path, [identity])) released += chunk.length;
    return { code: "opened", released, offset: undefined };
  } catch (error) {
    const { code, where, hint } = error as StopcodeError;
    expect(hint).toBeTruthy();
    return { code, released, offset: where.offset };
  }
}

const sizes = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 12_345];

describe("sealing for two recipients", () => {
  withPeers({ program: "age" }).it.each(sizes)("Debian's age opens %i bytes with either identity", async (size) => {
    const plaintext = randomBytes(size);
    const path = join(folder, `ours-${size}.age`);
    writeFileSync(path, await seal(plaintext, alice.recipient, bob.recipient));
    for (const { file } of [alice, bob]) {
      const opened = spawnSync("age", ["-d", "-i", file, path], { maxBuffer: 2 ** 26 });
      expect(opened.stderr.toString()).toBe("");
      expect(opened.stdout.equals(plaintext)).toBe(true);
    }
  });

  withPeers({ program: "age" }).it.each(sizes)("opens %i bytes that Debian's age sealed", async (size) => {
    const plaintext = randomBytes(size);
    const path = join(folder, `debian-${size}.age`);
    const to = ["-r", alice.recipient, "-r", bob.recipient, "-o", path];
    expect(spawnSync("age", to, { input: plaintext }).status).toBe(0);
    expect((await gather(openSealed(path, [bob.identity]))).equals(plaintext)).toBe(true);
    expect(inspectSealed(path)).toEqual({ stanzas: expect.arrayContaining(["X25519"]), plaintextBytes: size });
  });

  it("gives the same file however the bytes are cut on their way in", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 3 * CHUNK }),
        fc.integer({ min: 100, max: 90_000 }),
        async (n, cut) => {
          const plaintext = randomBytes(n);
          const sealed = await gather(sealStream(pieces(plaintext, cut), [alice.recipient]));
          const decrypter = new Decrypter();
          decrypter.addIdentity(alice.identity);
          expect(Buffer.from(await decrypter.decrypt(sealed)).equals(plaintext)).toBe(true);
          expect(sealed.length).toBeLessThanOrEqual(n + sealingOverhead(n, 1));
        },
      ),
      { numRuns: 12 },
    );
  });

  it("serves post-quantum recipients too, within the foreseen size", async () => {
    const identity = await generateHybridIdentity();
    const sealed = await seal(Buffer.from("canary"), await identityToRecipient(identity));
    expect(sealed.length).toBeLessThanOrEqual(6 + sealingOverhead(6, 1));
    expect(await outcome(sealed, identity)).toMatchObject({ code: "opened", released: 6 });
  });

  it("draws a new key and nonce for every file", async () => {
    const [one, two] = [await seal(Buffer.alloc(100), alice.recipient), await seal(Buffer.alloc(100), alice.recipient)];
    expect(one.subarray(-116).equals(two.subarray(-116))).toBe(false);
  });

  it("refuses to seal for nobody, and for what is no recipient, before the first byte", async () => {
    await expect(seal(Buffer.alloc(1))).rejects.toMatchObject({ code: "seal/no-recipient" });
    await expect(seal(Buffer.alloc(1), alice.recipient, "age1nonsense")).rejects.toMatchObject({
      code: "seal/recipient",
    });
    const leak = await seal(Buffer.alloc(1), alice.identity).catch((error: StopcodeError) => error);
    expect(leak).toMatchObject({ code: "seal/recipient" });
    expect(JSON.stringify([(leak as StopcodeError).message, leak])).not.toContain(alice.identity.slice(20));
  });
});

describe("opening, failure management 2.7/9: the wrong key and a changed file fail loudly", () => {
  const size = 2 * CHUNK + 5000;
  let sealed: Buffer;
  let payload: number;
  beforeAll(async () => {
    sealed = await seal(randomBytes(size), alice.recipient);
    payload = sealed.length - size - 3 * 16;
  });

  it("refuses the identity of somebody else", async () => {
    expect(await outcome(sealed, bob.identity)).toMatchObject({ code: "seal/wrong-identity", released: 0 });
  });

  it("refuses every single bit flipped in the header and the payload nonce", async () => {
    for (let bit = 0; bit < payload * 8; bit += 5) {
      const changed = Buffer.from(sealed);
      changed[bit >> 3]! ^= 1 << (bit & 7);
      const { code, released } = await outcome(changed);
      expect([bit, code]).toEqual([bit, expect.stringMatching(/^seal\//)]);
      expect(released).toBe(0);
    }
  });

  it("refuses a flipped bit in each chunk and each tag, and says at which byte the chunk lies", async () => {
    for (let chunk = 0; chunk < 3; chunk++) {
      const start = payload + chunk * (CHUNK + 16);
      const end = Math.min(start + CHUNK + 16, sealed.length);
      for (const at of [start, start + 1234, end - 17, end - 16, end - 1]) {
        const changed = Buffer.from(sealed);
        changed[at]! ^= 0x10;
        expect(await outcome(changed)).toEqual({ code: "seal/damaged", released: chunk * CHUNK, offset: start });
      }
    }
  });

  it("refuses a file cut at every boundary of header, nonce and chunks, one byte to either side too", async () => {
    const boundaries = [0, 22, payload - 16, payload, payload + 16, payload + CHUNK, payload + CHUNK + 16];
    boundaries.push(payload + CHUNK + 32, payload + 2 * (CHUNK + 16), payload + 2 * (CHUNK + 16) + 16, sealed.length);
    for (const boundary of boundaries)
      for (const end of [boundary - 1, boundary, boundary + 1].filter((at) => at >= 0 && at < sealed.length)) {
        const { code, released } = await outcome(sealed.subarray(0, end));
        expect([end, code]).toEqual([end, expect.stringMatching(/^seal\/(truncated|damaged|not-age)$/)]);
        expect(released).toBeLessThan(size);
      }
  });

  it("tells a file cut between two chunks from a damaged one", async () => {
    const cut = sealed.subarray(0, payload + CHUNK + 16);
    expect(await outcome(cut)).toEqual({ code: "seal/truncated", released: CHUNK, offset: cut.length });
  });

  it("refuses bytes appended behind the end, and chunks that changed places", async () => {
    expect((await outcome(Buffer.concat([sealed, Buffer.alloc(1)]))).code).toBe("seal/damaged");
    const first = sealed.subarray(payload, payload + CHUNK + 16);
    const second = sealed.subarray(payload + CHUNK + 16, payload + 2 * (CHUNK + 16));
    const rest = sealed.subarray(payload + 2 * (CHUNK + 16));
    const swapped = Buffer.concat([sealed.subarray(0, payload), second, first, rest]);
    expect(await outcome(swapped)).toMatchObject({ code: "seal/damaged", released: 0 });
  });

  it("refuses what is not a sealed file at all, also an endless header", async () => {
    expect((await outcome(Buffer.from("PAGEDU64"))).code).toBe("seal/not-age");
    const endless = Buffer.concat([Buffer.from("age-encryption.org/v1\n"), Buffer.alloc(2 ** 21, "A")]);
    expect((await outcome(endless)).code).toBe("seal/header");
    await expect(gather(openSealed(folder, []))).rejects.toMatchObject({ code: "io/open", exitCode: 4 });
    await expect(gather(openSealed(join(folder, "none"), []))).rejects.toMatchObject({ code: "io/open" });
  });

  it("closes the file when the reader walks away", async () => {
    const open = () =>
      spawnSync("ls", [`/proc/${process.pid}/fd`])
        .stdout.toString()
        .split("\n").length;
    const path = join(folder, "walk-away.age");
    writeFileSync(path, sealed);
    const before = open();
    for (let round = 0; round < 20; round++) for await (const _ of openSealed(path, [alice.identity])) break;
    expect(open()).toBeLessThan(before + 10);
    expect(readFileSync(path).equals(sealed)).toBe(true);
  });
});

describe("the two chunk engines", () => {
  it("give and take the same bytes, and both refuse a changed tag", async () => {
    const noble = await nobleEngine();
    for (const size of [0, 1, 63, 64, 65, 1000, CHUNK]) {
      const [key, nonce, plaintext] = [randomBytes(32), randomBytes(12), randomBytes(size)];
      const sealed = nodeEngine.seal(key, nonce, plaintext);
      expect(Buffer.from(noble.seal(key, nonce, plaintext)).equals(sealed)).toBe(true);
      expect(Buffer.from(noble.open(key, nonce, sealed)!).equals(plaintext)).toBe(true);
      const changed = Buffer.from(sealed);
      changed[changed.length - 1]! ^= 1;
      expect([nodeEngine.open(key, nonce, changed), noble.open(key, nonce, changed)]).toEqual([null, null]);
    }
  });

  it("count chunks in eleven bytes, big-endian, with the last one marked", () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.boolean(), (index, last) => {
        const counted = chunkNonce(index, last);
        const value = BigInt(`0x${Buffer.from(counted).toString("hex")}`);
        expect(value).toBe((BigInt(index) << 8n) | BigInt(last));
      }),
    );
  });
});
