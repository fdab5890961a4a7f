import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { generateX25519Identity, identityToRecipient } from "age-encryption";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { type CollectOptions, collect } from "../../src/agent/index.ts";
import { choosePages } from "../../src/agent/page-choice.ts";
import { split, tidied } from "../../src/agent/page-runs.ts";
import { listCrashes, type Manifest, unsealCrash, verifyCrash } from "../../src/archive/index.ts";
import { PAGE_SIZE, type PageRun } from "../../src/binary/index.ts";
import { openDump } from "../../src/dumpfile/index.ts";
import { withPeers } from "../peers.ts";
import { temporaryFolder } from "../seal/folder.ts";
import { MemoryHost, type MemoryPartition, notice, partition, policy, windowsNote } from "./memory-host.ts";

const folder = temporaryFolder();
let homes = 0;
const options = (over: Partial<CollectOptions> = {}): CollectOptions => ({
  home: join(folder, `home-${homes++}`),
  boot: 1,
  armed: [],
  ...over,
});

const owner = { identity: "", recipient: "", file: join(folder, "owner.key") };
const other = { identity: "", recipient: "", file: join(folder, "other.key") };
beforeAll(async () => {
  for (const person of [owner, other]) {
    person.identity = await generateX25519Identity();
    person.recipient = await identityToRecipient(person.identity);
    writeFileSync(person.file, `# made for a test\n${person.identity}\n`);
  }
});

const PRIVATE: readonly PageRun[] = [
  { firstPage: 16, pageCount: 8 },
  { firstPage: 500, pageCount: 20 },
  { firstPage: 900, pageCount: 3 },
];
/** Those of them that exist: the frames 512 to 767 do not. */
const KEPT = [...range(16, 24), ...range(500, 512), ...range(900, 903)];

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, index) => from + index);
}

/** A partition whose private pages carry a canary each, at an odd place. */
function withCanaries(over: Partial<MemoryPartition> = {}) {
  const canary = randomBytes(24);
  const web = partition("web", { privatePages: PRIVATE, policy: policy({ recipients: [owner.recipient] }), ...over });
  for (const page of KEPT) web.pages.set(canary, page * PAGE_SIZE + 777);
  return { web, canary };
}

const filesOf = (path: string) => readdirSync(path).map((name) => ({ name, bytes: readFileSync(join(path, name)) }));

const pageOf = (web: MemoryPartition, page: number) =>
  Buffer.from(web.pages.subarray(page * PAGE_SIZE, (page + 1) * PAGE_SIZE));

/** Pages of an ELF core by frame, read straight from the ELF specification's tables. */
function pagesOfElf(elf: Buffer): Map<number, Buffer> {
  const pages = new Map<number, Buffer>();
  const table = Number(elf.readBigUInt64LE(0x20));
  for (let index = 0; index < elf.readUInt16LE(0x38); index++) {
    const at = table + index * 56;
    if (elf.readUInt32LE(at) !== 1) continue;
    const [offset, address, bytes] = [8, 24, 32].map((field) => Number(elf.readBigUInt64LE(at + field)));
    for (let done = 0; done < bytes!; done += 4096)
      pages.set((address! + done) / 4096, elf.subarray(offset! + done, offset! + done + 4096));
  }
  return pages;
}

async function collectWhole(host: MemoryHost, over: Partial<CollectOptions> = {}) {
  const collected = await collect(host, notice("web"), options(over));
  const manifest: Manifest = collected.finish();
  expect((await verifyCrash(collected.folder)).problems).toEqual([]);
  return { ...collected, manifest };
}

describe("failure management 2.7/1: the dump is made from outside while the failed partition stands still", () => {
  it("executes nothing of the failed partition from the failure on, and leaves it paused for its restart", async () => {
    const host = new MemoryHost(partition("web"), partition("db"));
    const [web] = host.all;
    const running = setInterval(() => host.step(), 0);
    const before = web!.executed;
    await collectWhole(host, { onProgress: () => host.step() });
    clearInterval(running);
    expect(web!.executed).toBe(before);
    expect(web!.paused).toBe(true);
  });

  it("writes a dump that holds every page of the partition, byte for byte", async () => {
    const host = new MemoryHost(partition("web"));
    const { dumpPath, manifest } = await collectWhole(host);
    const dump = await openDump(dumpPath!);
    if (dump.memory.kind !== "physical") throw new Error("no physical memory");
    for (const page of [...range(0, 512), ...range(768, 1024)])
      expect(Buffer.compare(dump.memory.read(page * PAGE_SIZE, PAGE_SIZE), pageOf(host.all[0]!, page))).toBe(0);
    expect(dump.pages).toBe(768);
    expect(dump.stopCode?.code).toBe(0x3f);
    expect(manifest).toMatchObject({
      at: "2026-01-15T03:12:41.200Z",
      host: "twin-1",
      partition: "web",
      boot: 1,
      stopCode: { code: "0x3f", parameters: ["0x0", "0x4", "0x2", "0xfffff80000001000"] },
      dump: { file: "memory.dmp", format: "windows-bitmap", pages: 768, memoryBytes: 1024 * PAGE_SIZE },
      sealed: [],
      skipped: [],
    });
    dump.close();
  });

  it("keeps what the guest wrote to its console, and adds what the pipeline adds before the manifest", async () => {
    const armed = [{ check: "pte-tracking", target: null }];
    const collected = await collect(new MemoryHost(partition("web")), notice("web"), options({ boot: 2, armed }));
    expect(listCrashes(join(collected.folder, "..")).incomplete).toHaveLength(1);
    collected.addFile("facts.json", "{}\n");
    const manifest = collected.finish();
    expect(manifest.files.map((file) => file.name).sort()).toEqual(["console.log", "facts.json", "memory.dmp"]);
    expect(manifest).toMatchObject({ boot: 2, armed });
    expect(readFileSync(join(collected.folder, "console.log"), "utf8")).toBe("web booted\n");
    expect((await verifyCrash(collected.folder)).whole).toBe(true);
  });
});

describe("failure management 2.7/8: private pages are in the crash under seal only", () => {
  const formats = ["windows-bitmap", "windows-full", "elf-vmcore"] as const;

  withPeers({ program: "age" }).it.each(formats)(
    "%s: no canary in clear, all of them through age -d",
    async (format) => {
      const { web, canary } = withCanaries({
        policy: policy({ format, recipients: [owner.recipient, other.recipient] }),
      });
      const { folder: path, dumpPath, manifest } = await collectWhole(new MemoryHost(web));
      for (const { name, bytes } of filesOf(path)) expect([name, bytes.indexOf(canary)]).toEqual([name, -1]);

      const opened = spawnSync("age", ["-d", "-i", owner.file, join(path, "private.age")], { maxBuffer: 2 ** 27 });
      expect(opened.stderr.toString()).toBe("");
      const pages = pagesOfElf(opened.stdout);
      expect([...pages.keys()]).toEqual(KEPT);
      for (const [page, bytes] of pages) expect(bytes.equals(pageOf(web, page))).toBe(true);

      const dump = await openDump(dumpPath!);
      if (dump.memory.kind !== "physical") throw new Error("no physical memory");
      expect(manifest.dump).toMatchObject({ format, pages: 768 - KEPT.length });
      for (const page of KEPT) expect(["absent", "sealed"]).toContain(dump.memory.pageState(page));
      for (const page of [0, 15, 24, 499, 768, 899, 903, 1023])
        expect(Buffer.compare(dump.memory.read(page * PAGE_SIZE, PAGE_SIZE), pageOf(web, page))).toBe(0);
      dump.close();
      expect(manifest.sealed).toEqual([
        {
          file: "private.age",
          partition: "web",
          pages: KEPT.length,
          recipients: [owner.recipient, other.recipient],
          runs: [
            { firstPage: 16, pageCount: 8 },
            { firstPage: 500, pageCount: 12 },
            { firstPage: 900, pageCount: 3 },
          ],
        },
      ]);
    },
  );

  it("finds the canaries with the same scan where nothing is private: the scan can fail", async () => {
    const { web, canary } = withCanaries({ privatePages: [] });
    const { folder: path } = await collectWhole(new MemoryHost(web));
    expect(filesOf(path).some(({ bytes }) => bytes.includes(canary))).toBe(true);
  });

  it("comes back through unsealCrash too, into a file for its owner's eyes only", async () => {
    const { web } = withCanaries();
    const { folder: path } = await collectWhole(new MemoryHost(web));
    const target = join(folder, "private.elf");
    const unsealed = await unsealCrash(path, { identityFiles: [owner.file], target });
    const pages = pagesOfElf(readFileSync(target));
    expect([...pages.keys()]).toEqual(KEPT);
    for (const [page, bytes] of pages) expect(bytes.equals(pageOf(web, page))).toBe(true);
    expect(unsealed).toMatchObject({ pages: KEPT.length, file: target });
    expect(statSync(target).mode & 0o777).toBe(0o600);
  });

  it.each(formats)(
    "%s: with its private pages back, the dump is the one that a guest without secrets leaves",
    async (format) => {
      const { web } = withCanaries({ policy: policy({ format, recipients: [owner.recipient] }) });
      const open = { ...web, privatePages: [] };
      const sealed = await collectWhole(new MemoryHost(web));
      const plain = await collectWhole(new MemoryHost(open));
      const target = join(folder, `whole-${format}`);
      const { bytes } = await unsealCrash(sealed.folder, { identityFiles: [owner.file], target, whole: true });
      const [whole, expected] = [readFileSync(target), readFileSync(plain.dumpPath!)];
      expect(whole.equals(expected)).toBe(true);
      expect(bytes).toBe(whole.length);
      expect(statSync(target).mode & 0o777).toBe(0o600);
      expect(readdirSync(folder).filter((name) => name.startsWith("."))).toEqual([]);
    },
  );

  it("keeps no private page at all where there is no recipient, and says so", async () => {
    const { web, canary } = withCanaries({ policy: policy() });
    const { folder: path, manifest } = await collectWhole(new MemoryHost(web));
    for (const { name, bytes } of filesOf(path)) expect([name, bytes.indexOf(canary)]).toEqual([name, -1]);
    expect(existsSync(join(path, "private.age"))).toBe(false);
    expect(manifest.sealed).toEqual([]);
    expect(manifest.skipped).toEqual([{ partition: "web", reason: "no recipient: 23 private pages are not kept" }]);
  });

  it("refuses a recipient that is none before anything is written", async () => {
    const { web } = withCanaries({ policy: policy({ recipients: ["age1broken"] }) });
    const where = options();
    await expect(collect(new MemoryHost(web), notice("web"), where)).rejects.toMatchObject({ code: "seal/recipient" });
    expect(existsSync(where.home)).toBe(false);
  });
});

describe("failure management 2.7/9: the holder of another key gets nothing", () => {
  it("refuses another identity, says for whom it was sealed, and leaves no file", async () => {
    const { web } = withCanaries();
    const { folder: path } = await collectWhole(new MemoryHost(web));
    const target = join(folder, "stolen.elf");
    await expect(unsealCrash(path, { identityFiles: [other.file], target })).rejects.toMatchObject({
      code: "seal/wrong-identity",
      hint: expect.stringMatching(new RegExp(`${owner.recipient}.*${other.recipient}`)),
    });
    expect(readdirSync(folder).filter((name) => name.includes("stolen"))).toEqual([]);
  });

  it("refuses a flipped bit anywhere in the sealed pages, and leaves no file", async () => {
    const { web } = withCanaries();
    const { folder: path } = await collectWhole(new MemoryHost(web));
    const sealed = readFileSync(join(path, "private.age"));
    for (const at of [30, 200, 70_000, sealed.length - 1]) {
      const changed = Buffer.from(sealed);
      changed[at]! ^= 1;
      writeFileSync(join(path, "private.age"), changed);
      const work = unsealCrash(path, { identityFiles: [owner.file], target: join(folder, "flipped.elf") });
      await expect(work).rejects.toMatchObject({ code: expect.stringMatching(/^seal\//) });
      expect((await verifyCrash(path)).problems).toContainEqual(expect.objectContaining({ code: "sha256" }));
    }
    expect(readdirSync(folder).filter((name) => name.includes("flipped"))).toEqual([]);
  });
});

describe("failure management 2.7/10: a stateless partition leaves its descriptor and no page", () => {
  it("has no page data when it is the one that failed", async () => {
    const { web, canary } = withCanaries({ policy: policy({ dump: "stateless" }) });
    const { folder: path, manifest, dumpPath } = await collectWhole(new MemoryHost(web));
    expect(readdirSync(path)).toEqual(["crash.json"]);
    expect(filesOf(path)[0]!.bytes.includes(canary)).toBe(false);
    expect(dumpPath).toBeNull();
    expect(manifest).toMatchObject({
      dump: null,
      sealed: [],
      partition: "web",
      stopCode: { code: "0x3f" },
      skipped: [{ partition: "web", reason: "stateless" }],
    });
  });

  it("is listed as skipped when another one failed", async () => {
    const cache = partition("cache", { policy: policy({ dump: "stateless" }) });
    const { manifest } = await collectWhole(new MemoryHost(partition("web"), partition("db"), cache));
    expect(manifest.skipped).toEqual([{ partition: "cache", reason: "stateless" }]);
  });
});

describe("failure management 2.7/11: the others go on, and the dump holds the failed partition only", () => {
  it("lets neighbours run between the writes", async () => {
    const [web, db] = [partition("web", { pageCount: 4096 }), partition("db")];
    const marker = randomBytes(24);
    for (let page = 0; page < 1024; page++) db.pages.set(marker, page * PAGE_SIZE);
    const host = new MemoryHost(web, db);
    const running = setInterval(() => host.step(), 0);
    const seen: number[] = [];
    const { folder: path } = await collectWhole(host, { onProgress: () => seen.push(db.executed) });
    clearInterval(running);
    expect(db.paused).toBe(false);
    expect(seen.at(-1)).toBeGreaterThan(seen[0]!);
    expect(filesOf(path).some(({ bytes }) => bytes.includes(marker))).toBe(false);
  });
});

describe("failure management 2.7/11: nothing of the neighbours is looked at", () => {
  it("asks the host for the memory of the failed partition alone", async () => {
    const host = new MemoryHost(partition("web"), partition("db"));
    const asked = new Set<string>();
    const memory = host.memory.bind(host);
    host.memory = (name) => {
      asked.add(name);
      return memory(name);
    };
    await collectWhole(host);
    expect([...asked]).toEqual(["web"]);
  });

  it("refuses a partition the host does not have", async () => {
    await expect(collect(new MemoryHost(partition("db")), notice("web"), options())).rejects.toMatchObject({
      code: "host/unknown-partition",
      exitCode: 4,
    });
  });
});

describe("what the policy and the guest leave open", () => {
  it("leaves pages of zeros out of the page map where the policy says so, never private ones", async () => {
    const { web } = withCanaries({ policy: policy({ recipients: [owner.recipient], leaveOut: ["zero"] }) });
    web.pages.fill(0, 17 * PAGE_SIZE, 18 * PAGE_SIZE);
    const { dumpPath, manifest } = await collectWhole(new MemoryHost(web));
    const zero = (page: number) => pageOf(web, page).every((byte) => byte === 0);
    const expected = [...range(0, 512), ...range(768, 1024)].filter((page) => !KEPT.includes(page) && !zero(page));
    const dump = await openDump(dumpPath!);
    if (dump.memory.kind !== "physical") throw new Error("no physical memory");
    const held = dump.memory.runs().flatMap((run) => range(run.firstPage, run.firstPage + run.pageCount));
    dump.close();
    expect(held).toEqual(expected);
    expect(expected.length).toBeLessThan(768 - KEPT.length);
    expect(manifest.sealed[0]?.pages).toBe(KEPT.length);
  });

  it.each([
    ["left no header", { kind: "none" } as const],
    ["left a spoilt header", { kind: "windows", header: new Uint8Array(0x2000) } as const],
    [
      "left half a header",
      { kind: "windows", header: (windowsNote() as { header: Uint8Array }).header.subarray(0, 99) } as const,
    ],
  ])("writes an ELF core when the guest %s", async (_, note) => {
    const { manifest, dumpPath } = await collectWhole(new MemoryHost(partition("web", { note })));
    expect(manifest.dump).toMatchObject({ file: "vmcore.elf", format: "elf-vmcore", pages: 768 });
    const dump = await openDump(dumpPath!);
    expect(dump.cpus.map(({ registers }) => registers.rip)).toEqual([0xffff_f800_0000_1000n, 0xffff_f800_0000_1001n]);
    dump.close();
  });

  it("writes a bitmap dump when the private pages cut the memory into more runs than a full dump can tell", async () => {
    const privatePages = range(0, 100).map((index) => ({ firstPage: index * 2, pageCount: 1 }));
    const web = partition("web", {
      privatePages,
      policy: policy({ format: "windows-full", recipients: [owner.recipient] }),
    });
    const { manifest } = await collectWhole(new MemoryHost(web));
    expect(manifest.dump).toMatchObject({ format: "windows-bitmap", pages: 668 });
  });

  it("tells progress that only grows and ends near its total", async () => {
    const { web } = withCanaries();
    const told: { phase: string; bytes: number; totalBytes: number }[] = [];
    await collectWhole(new MemoryHost(web), { onProgress: (progress) => told.push(progress) });
    const { totalBytes } = told[0]!;
    expect([...new Set(told.map(({ phase }) => phase))]).toEqual(["writing memory.dmp", "sealing private.age"]);
    for (const [index, { bytes }] of told.entries()) expect(bytes).toBeGreaterThan(told[index - 1]?.bytes ?? 0);
    expect(told.at(-1)!.bytes).toBeLessThanOrEqual(totalBytes);
    expect(told.at(-1)!.bytes).toBeGreaterThan(totalBytes - 4096);
  });

  it("works when every page is private, and when the private runs overlap in any order", async () => {
    const all = [
      { firstPage: 700, pageCount: 9000 },
      { firstPage: 0, pageCount: 600 },
      { firstPage: 10, pageCount: 900 },
    ];
    const { web } = withCanaries({ privatePages: all });
    const { manifest } = await collectWhole(new MemoryHost(web));
    expect([manifest.dump?.pages, manifest.sealed[0]?.pages]).toEqual([0, 768]);
  });
});

describe("page runs, against sets of pages", () => {
  const runs = fc.array(fc.record({ firstPage: fc.nat(60), pageCount: fc.nat(12) }), { maxLength: 8 });
  const pages = (list: readonly PageRun[]) =>
    list.flatMap((run) => range(run.firstPage, run.firstPage + run.pageCount));
  const set = (list: readonly PageRun[]) => [...new Set(pages(list))].sort((a, b) => a - b);

  it("tidied and split keep exactly the right pages, ascending and once", () => {
    fc.assert(
      fc.property(runs, runs, (one, two) => {
        expect(pages(tidied(one))).toEqual(set(one));
        const { inside, outside } = split(tidied(one), tidied(two));
        const others = new Set(pages(two));
        expect(pages(inside)).toEqual(set(one).filter((page) => others.has(page)));
        expect(pages(outside)).toEqual(set(one).filter((page) => !others.has(page)));
      }),
      { numRuns: 500 },
    );
  });

  it("puts each page in one list only", () => {
    const web = partition("web");
    const memory = new MemoryHost(web).memory("web");
    const choice = choosePages(memory, PRIVATE, { leaveOut: ["zero"] });
    expect(pages(choice.private)).toEqual(KEPT);
    expect(pages(choice.open).filter((page) => KEPT.includes(page))).toEqual([]);
  });
});
