import { createHash, randomBytes } from "node:crypto";
import {
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { generateX25519Identity, identityToRecipient } from "age-encryption";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import {
  createCrashFolder,
  dumpInfo,
  isCrashId,
  listCrashes,
  type ManifestFields,
  newCrashId,
  openCrash,
  unsealCrash,
  verify,
} from "../../src/archive/index.ts";
import { PAGE_SIZE } from "../../src/binary/index.ts";
import { elfVmcore } from "../../src/dumpfile/index.ts";
import { sealStream } from "../../src/seal/index.ts";
import { sharedData, withPeers } from "../peers.ts";
import { temporaryFolder } from "../seal/folder.ts";

const folder = temporaryFolder();
const at = new Date("2026-01-15T03:12:41Z");
const owner = { identity: "", recipient: "", file: join(folder, "owner.key") };
beforeAll(async () => {
  owner.identity = await generateX25519Identity();
  owner.recipient = await identityToRecipient(owner.identity);
  writeFileSync(owner.file, owner.identity);
});

const pages = randomBytes(400 * PAGE_SIZE);
const elfOf = (firstPage: number, pageCount: number) =>
  elfVmcore({
    processors: [],
    notes: [],
    pages: {
      runs: [{ firstPage, pageCount }],
      read: (first, count) => pages.subarray(first * PAGE_SIZE, (first + count) * PAGE_SIZE),
    },
  });

const fields = (over: Partial<ManifestFields> = {}): ManifestFields => ({
  at: at.toISOString(),
  host: "lab-1",
  partition: "web",
  boot: 1,
  stopCode: null,
  dump: { file: "vmcore.elf", format: "elf-vmcore", pages: 300, memoryBytes: 400 * PAGE_SIZE },
  sealed: [
    {
      file: "private.age",
      partition: "web",
      pages: 100,
      recipients: [owner.recipient],
      runs: [{ firstPage: 300, pageCount: 100 }],
    },
  ],
  skipped: [],
  armed: [],
  ...over,
});

async function wholeCrash(home: string, over: Partial<ManifestFields> = {}) {
  const crash = createCrashFolder(home, newCrashId(at, "web"), 0);
  await crash.addStream("vmcore.elf", elfOf(0, 300).chunks());
  await crash.addStream("private.age", sealStream(elfOf(300, 100).chunks(), [owner.recipient]));
  crash.addFile("facts.json", "{}\n");
  crash.finish(fields(over));
  return crash;
}

let homes = 0;
const newHome = () => join(folder, `home-${homes++}`);

describe("crash ids", () => {
  it("sort by time, and are safe as a path for any name a partition may have", () => {
    fc.assert(
      fc.property(
        fc.date({ min: new Date(0), max: new Date("9999-12-31"), noInvalidDate: true }),
        fc.date({ min: new Date(0), max: new Date("9999-12-31"), noInvalidDate: true }),
        fc.uint16Array({ maxLength: 80 }).map((units) => String.fromCharCode(...units)),
        (one, two, name) => {
          const [first, second] = [newCrashId(one, name), newCrashId(two, name)];
          expect(first).toMatch(/^[0-9TZ]{16}-[a-z0-9_-]+$/);
          expect(isCrashId(first)).toBe(true);
          expect(first.length).toBeLessThan(80);
          if (Math.floor(one.getTime() / 1000) < Math.floor(two.getTime() / 1000)) expect(first < second).toBe(true);
        },
      ),
      { numRuns: 40 },
    );
  });

  it("keep the partition's name readable", () => {
    expect(newCrashId(at, "web")).toMatch(/^20260115T031241Z-web-[a-z2-7]{6}$/);
    expect(newCrashId(at, "../../etc/Pass wd")).toMatch(/^20260115T031241Z-etc-pass-wd-[a-z2-7]{6}$/);
    expect(newCrashId(at, "☃")).toMatch(/Z-partition-/);
  });

  it("are never used twice, and nothing else is taken for one", () => {
    const home = newHome();
    const id = newCrashId(at, "web");
    createCrashFolder(home, id, 0);
    expect(() => createCrashFolder(home, id, 0)).toThrow(expect.objectContaining({ code: "io/exists", exitCode: 4 }));
    for (const bad of ["..", "x/y", "", "history", `${id}/..`])
      expect(() => createCrashFolder(home, bad, 0)).toThrow(expect.objectContaining({ code: "archive/bad-id" }));
  });
});

describe("a crash folder", () => {
  it("is whole only with its manifest, which lists every file with the sha256 of what is on the disk", async () => {
    const home = newHome();
    const crash = createCrashFolder(home, newCrashId(at, "web"), 0);
    await crash.addStream("vmcore.elf", elfOf(0, 300).chunks());
    expect(listCrashes(home)).toEqual({
      complete: [],
      incomplete: [{ id: crash.id, folder: crash.path, reason: expect.stringMatching(/holds vmcore\.elf/) }],
    });
    const manifest = crash.finish(fields({ sealed: [] }));
    expect(listCrashes(home)).toEqual({ complete: [{ id: crash.id, folder: crash.path }], incomplete: [] });
    const bytes = readFileSync(join(crash.path, "vmcore.elf"));
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    expect(manifest.files).toEqual([{ name: "vmcore.elf", bytes: bytes.length, sha256 }]);
    expect(openCrash(crash.path)).toEqual({
      folder: crash.path,
      manifest,
      dumpPath: join(crash.path, "vmcore.elf"),
    });
  });

  it("is for its owner's eyes only", async () => {
    const { path } = await wholeCrash(newHome());
    expect(statSync(path).mode & 0o077).toBe(0);
    for (const name of readdirSync(path))
      expect([name, statSync(join(path, name)).mode & 0o777]).toEqual([name, 0o600]);
  });

  it("writes chunks of any size in order, and tells how far it is", async () => {
    const crash = createCrashFolder(newHome(), newCrashId(at, "web"), 0);
    const sizes = [1, 4096, 2 ** 20 - 1, 2, 0, 2 ** 20, 3 * 2 ** 20 + 5, 17];
    const chunks = sizes.map((size) => randomBytes(size));
    const told: number[] = [];
    // Each chunk is spoilt as soon as the next is asked for, as a dump's chunks may be.
    function* once() {
      for (const chunk of chunks) {
        const lent = Buffer.from(chunk);
        yield lent;
        lent.fill(0xee);
      }
    }
    const { bytes, sha256 } = await crash.addStream("chunks", once(), (done) => told.push(done));
    const written = readFileSync(join(crash.path, "chunks"));
    expect(written.equals(Buffer.concat(chunks))).toBe(true);
    expect(sha256).toBe(createHash("sha256").update(written).digest("hex"));
    expect([told.at(-1), bytes]).toEqual([written.length, written.length]);
    expect(told).toEqual(told.toSorted((a, b) => a - b));
  });

  it("stays incomplete when its pages cannot be read half-way", async () => {
    const home = newHome();
    const crash = createCrashFolder(home, newCrashId(at, "web"), 0);
    const broken = function* () {
      yield randomBytes(2 ** 20);
      throw new Error("the guest is gone");
    };
    await expect(crash.addStream("vmcore.elf", broken())).rejects.toThrow("the guest is gone");
    expect(listCrashes(home).incomplete).toHaveLength(1);
    await expect(crash.addStream("vmcore.elf", broken())).rejects.toMatchObject({ code: "io/exists" });
  });

  it("is refused before anything is made where the disk has no room", () => {
    const home = newHome();
    const make = () => createCrashFolder(home, newCrashId(at, "web"), 2 ** 60);
    expect(make).toThrow(expect.objectContaining({ code: "io/disk-full", exitCode: 4, where: { file: home } }));
    expect(listCrashes(home)).toEqual({ complete: [], incomplete: [] });
  });

  it("names the trouble when the archive cannot be made", () => {
    writeFileSync(join(folder, "a-file"), "");
    const make = () => createCrashFolder(join(folder, "a-file"), newCrashId(at, "web"), 0);
    expect(make).toThrow(expect.objectContaining({ exitCode: 4, hint: expect.any(String) }));
  });
});

describe("listing", () => {
  it("finds nothing in a home that is not there, and passes over what is no crash", async () => {
    expect(listCrashes(join(folder, "nowhere"))).toEqual({ complete: [], incomplete: [] });
    const home = newHome();
    const later = createCrashFolder(home, newCrashId(new Date("2027-01-01"), "web"), 0);
    const earlier = await wholeCrash(home);
    mkdirSync(join(home, "history"));
    writeFileSync(join(home, newCrashId(at, "web")), "a file, not a folder");
    const { complete, incomplete } = listCrashes(home);
    expect(complete.map(({ id }) => id)).toEqual([earlier.id]);
    expect(incomplete).toEqual([{ id: later.id, folder: later.path, reason: expect.stringMatching(/it is empty/) }]);
  });
});

describe("manifests from elsewhere", () => {
  const spoil = async (change: (document: Record<string, unknown>) => unknown) => {
    const { path } = await wholeCrash(newHome());
    const file = join(path, "crash.json");
    const spoilt = change(JSON.parse(readFileSync(file, "utf8")));
    writeFileSync(file, typeof spoilt === "string" ? spoilt : JSON.stringify(spoilt));
    return path;
  };

  it.each<[string, (document: Record<string, unknown>) => unknown, RegExp]>([
    ["cut off", (document) => JSON.stringify(document).slice(0, 300), /JSON/],
    ["not an object", () => "[]", /expected object/],
    [
      "a file name that leads out of the folder",
      (d) => ({ ...d, dump: { ...(d.dump as object), file: "../../key" } }),
      /dump\.file/,
    ],
    ["an unknown field", (d) => ({ ...d, more: 1 }), /more/],
    [
      "a negative size",
      (d) => ({ ...d, files: [{ name: "a", bytes: -1, sha256: "0".repeat(64) }] }),
      /files\.0\.bytes/,
    ],
    ["an id that is a path", (d) => ({ ...d, id: "../x" }), /^the manifest is not sound: id/],
  ])("are refused with the place: %s", async (_, change, message) => {
    const path = await spoil(change);
    expect(() => openCrash(path)).toThrow(
      expect.objectContaining({ code: "archive/manifest", message: expect.stringMatching(message) }),
    );
    expect((await verify(path)).problems).toMatchObject([{ code: "manifest" }]);
  });
});

describe("verifying", () => {
  const problems = async (path: string) => (await verify(path)).problems.map(({ code, file }) => [code, file]);
  const changed = async (change: (path: string) => void, over: Partial<ManifestFields> = {}) => {
    const { path } = await wholeCrash(newHome(), over);
    change(path);
    return problems(path);
  };
  const flip = (file: string, offset: number) => {
    const bytes = readFileSync(file);
    bytes[offset]! ^= 1;
    writeFileSync(file, bytes);
  };

  it("finds nothing wrong with a whole crash, also after it was copied", async () => {
    const { path, id } = await wholeCrash(newHome());
    const copy = join(newHome(), id);
    cpSync(path, copy, { recursive: true });
    const told: number[] = [];
    const verified = await verify(copy, { onProgress: ({ bytes }) => told.push(bytes) });
    expect(verified).toMatchObject({ kind: "crash", whole: true, files: 3, problems: [] });
    expect(told.at(-1)).toBe(verified.bytes);
  });

  it("sees a flipped bit in every file", async () => {
    for (const name of ["vmcore.elf", "private.age", "facts.json"]) {
      const found = await changed((path) => flip(join(path, name), statSync(join(path, name)).size - 1));
      expect(found).toContainEqual(["sha256", name]);
    }
  });

  it("sees files that are missing, too many, too short, no plain files, or under another name", async () => {
    expect(await changed((path) => rmSync(join(path, "facts.json")))).toEqual([["missing-file", "facts.json"]]);
    expect(await changed((path) => writeFileSync(join(path, "x.exe"), ""))).toEqual([["extra-file", "x.exe"]]);
    expect(await changed((path) => writeFileSync(join(path, "facts.json"), ""))).toEqual([["size", "facts.json"]]);
    const linked = (path: string) => {
      renameSync(join(path, "facts.json"), `${path}.json`);
      symlinkSync(`${path}.json`, join(path, "facts.json"));
    };
    expect(await changed(linked)).toEqual([["missing-file", "facts.json"]]);
    const { path } = await wholeCrash(newHome());
    renameSync(path, `${path}x`);
    expect(await problems(`${path}x`)).toEqual([["renamed", "crash.json"]]);
  });

  it("sees a dump that was cut off, or is not the dump that the manifest describes", async () => {
    const cut = await changed((path) => {
      const file = join(path, "vmcore.elf");
      writeFileSync(file, readFileSync(file).subarray(0, -PAGE_SIZE));
    });
    expect(cut[0]).toEqual(["size", "vmcore.elf"]);
    expect(cut.length).toBeGreaterThan(1);
    const dump = fields().dump!;
    expect(await changed(() => {}, { dump: { ...dump, pages: 299 } })).toEqual([["dump-pages", "vmcore.elf"]]);
    expect(await changed(() => {}, { dump: { ...dump, format: "kdump" } })).toEqual([["dump-pages", "vmcore.elf"]]);
    expect(await changed(() => {}, { dump: { ...dump, file: "facts.json" } })).toEqual([
      ["dump-unreadable", "facts.json"],
    ]);
    expect(await changed(() => {}, { dump: { ...dump, file: "none.elf" } })).toEqual([["manifest", "none.elf"]]);
  });

  it("sees a sealed file that is none, or not for those or not with the pages that the manifest names", async () => {
    const [sealed] = fields().sealed;
    const seen = (over: Partial<typeof sealed>) => changed(() => {}, { sealed: [{ ...sealed!, ...over }] });
    expect(await seen({ recipients: [owner.recipient, "age1more"] })).toEqual([["sealed-recipients", "private.age"]]);
    expect(await seen({ pages: 101 })).toEqual([["sealed-size", "private.age"]]);
    expect(await seen({ file: "facts.json" })).toEqual([["sealed-unreadable", "facts.json"]]);
  });

  it("reads a manifest of version 1, which had one seal or none", async () => {
    const [{ partition, ...seal }] = fields().sealed as [ManifestFields["sealed"][number]];
    for (const sealed of [seal, null]) {
      const { path } = await wholeCrash(newHome());
      const file = join(path, "crash.json");
      const document = JSON.parse(readFileSync(file, "utf8"));
      writeFileSync(file, JSON.stringify({ ...document, schema: "stopcode/crash/1", sealed }));
      const { manifest } = openCrash(path);
      expect(manifest).toEqual({ ...document, sealed: sealed === null ? [] : [{ partition: "web", ...seal }] });
    }
    expect(partition).toBe("web");
  });

  it("says of a path that is not there that it is not there", async () => {
    await expect(verify(join(folder, "no-such"))).rejects.toMatchObject({ code: "io/missing", exitCode: 4 });
  });

  it("reads every page of a dump file that stands alone", async () => {
    const { path } = await wholeCrash(newHome());
    const file = join(folder, "alone.elf");
    writeFileSync(file, readFileSync(join(path, "vmcore.elf")));
    expect(await verify(file)).toMatchObject({ kind: "dump", whole: true, problems: [] });
    writeFileSync(file, readFileSync(file).subarray(0, 200 * PAGE_SIZE + 1));
    expect(await verify(file)).toMatchObject({ kind: "dump", whole: false });
    writeFileSync(file, "not a dump");
    expect((await verify(file)).problems).toMatchObject([{ code: "dump-unreadable", file }]);
  });
});

describe("verifying real dumps, alone", () => {
  const real = [
    "linux/kexec-null-6.1.d31.snappy.kdump",
    "linux/mkdf-list-6.12.d31.kdump",
    "windows/rizin/triage_x64.dmp",
  ];
  for (const name of real)
    withPeers({ data: name }).it(`${name}: is whole, and its first three quarters are not`, async () => {
      expect(await verify(sharedData(name))).toMatchObject({ kind: "dump", whole: true, problems: [] });
      const bytes = readFileSync(sharedData(name));
      const cut = join(folder, "cut.dump");
      writeFileSync(cut, bytes.subarray(0, (bytes.length * 3) / 4));
      const { whole, problems } = await verify(cut);
      expect(whole).toBe(false);
      expect(problems.length).toBeLessThan(40);
    });
});

describe("info", () => {
  it("tells header, page map and what lies sealed beside the dump", async () => {
    const { path } = await wholeCrash(newHome());
    const expected = { format: "elf-vmcore", pageSize: 4096, pages: 300, runs: 1, complete: true, problems: [] };
    const sealed = { pages: 100, recipients: [owner.recipient] };
    expect(await dumpInfo(path)).toMatchObject({ ...expected, sealed });
    expect(await dumpInfo(join(path, "vmcore.elf"))).toMatchObject({ ...expected, sealed });
    cpSync(join(path, "vmcore.elf"), join(folder, "moved.elf"));
    expect(await dumpInfo(join(folder, "moved.elf"))).toMatchObject({ ...expected, sealed: null });
    writeFileSync(join(path, "crash.json"), "{");
    expect(await dumpInfo(join(path, "vmcore.elf"))).toMatchObject({ pages: 300, problems: [{ code: "manifest" }] });
  });

  it("says why a crash without pages has none", async () => {
    const crash = createCrashFolder(newHome(), newCrashId(at, "cache"), 0);
    crash.finish(fields({ dump: null, sealed: [], skipped: [{ partition: "cache", reason: "stateless" }] }));
    await expect(dumpInfo(crash.path)).rejects.toMatchObject({ code: "archive/no-dump", hint: "cache: stateless" });
  });
});

describe("unsealing", () => {
  it("never overwrites, and leaves nothing of its own behind", async () => {
    const { path } = await wholeCrash(newHome());
    const target = join(folder, "taken.elf");
    writeFileSync(target, "mine");
    // Before anything else: also for a key that does not fit.
    const stranger = join(folder, "stranger.key");
    writeFileSync(stranger, await generateX25519Identity());
    for (const identityFiles of [[owner.file], [stranger]]) {
      const work = unsealCrash(path, { identityFiles, target });
      await expect(work).rejects.toMatchObject({ code: "io/exists", exitCode: 4 });
    }
    expect(readFileSync(target, "utf8")).toBe("mine");
    expect(readdirSync(folder).filter((name) => name.startsWith("."))).toEqual([]);
  });

  it("gives back exactly what was sealed", async () => {
    const { path } = await wholeCrash(newHome());
    const target = join(folder, "back.elf");
    await unsealCrash(path, { identityFiles: [owner.file], target });
    expect(
      readFileSync(target).equals(Buffer.concat([...elfOf(300, 100).chunks()].map((chunk) => Buffer.from(chunk)))),
    ).toBe(true);
  });

  it("puts no page into a dump that has it already, and leaves nothing behind", async () => {
    const crash = createCrashFolder(newHome(), newCrashId(at, "web"), 0);
    await crash.addStream("vmcore.elf", elfOf(0, 301).chunks());
    await crash.addStream("private.age", sealStream(elfOf(300, 100).chunks(), [owner.recipient]));
    crash.finish(fields());
    const work = unsealCrash(crash.path, {
      identityFiles: [owner.file],
      target: join(folder, "both.elf"),
      whole: true,
    });
    await expect(work).rejects.toMatchObject({ code: "archive/overlap" });
    expect(readdirSync(folder).filter((name) => name.includes("both"))).toEqual([]);
  });

  it("says so where nothing was sealed", async () => {
    const crash = createCrashFolder(newHome(), newCrashId(at, "web"), 0);
    crash.finish(fields({ dump: null, sealed: [] }));
    const work = unsealCrash(crash.path, { identityFiles: [owner.file], target: join(folder, "none.elf") });
    await expect(work).rejects.toMatchObject({ code: "archive/nothing-sealed", exitCode: 3 });
  });
});
