import { afterAll, beforeAll, expect } from "vitest";
import { facts as factsSchema } from "../../src/analysis/facts.ts";
import { linuxFacts } from "../../src/analysis/linux/index.ts";
import { PAGE_SIZE, type PhysicalMemory, StopcodeError } from "../../src/binary/index.ts";
import { type Dump, openDump } from "../../src/dumpfile/index.ts";
import { withPeers } from "../peers.ts";
import { linuxDumpPath } from "./linux-answers.ts";

const { describe, it } = withPeers({ data: "linux/expected.json" });

/** What becomes of a page when it is read. */
type Damage = (page: Uint8Array) => Uint8Array | null;

/** xorshift32: the same damage for the same seed. */
function numbers(seed: number) {
  let state = seed * 2_654_435_761 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

describe("facts of a damaged dump", () => {
  let dump: Dump;
  let sound: PhysicalMemory;
  const pages = new Map<number, Uint8Array>();

  beforeAll(async () => {
    dump = await openDump(linuxDumpPath("kexec-null-6.1.d31.snappy.kdump"));
    sound = dump.memory as PhysicalMemory;
  });
  afterAll(() => dump.close());

  const page = (frame: number): Uint8Array => {
    let bytes = pages.get(frame);
    if (!bytes) {
      bytes = Uint8Array.from(sound.read(frame * PAGE_SIZE, PAGE_SIZE));
      pages.set(frame, bytes);
    }
    return bytes;
  };

  /** The dump with memory whose every page goes through `damage` once. */
  function damaged(damage: Damage): Dump {
    const made = new Map<number, Uint8Array | null>();
    const memory: PhysicalMemory = {
      runs: () => sound.runs(),
      pageState: (frame) => sound.pageState(frame),
      read(address, length) {
        const frame = Math.floor(address / PAGE_SIZE);
        if (!made.has(frame)) made.set(frame, damage(page(frame)));
        const bytes = made.get(frame);
        if (!bytes) throw new StopcodeError("memory/absent", `page ${frame} is not there`);
        return bytes.subarray(address % PAGE_SIZE, (address % PAGE_SIZE) + length);
      },
    };
    return { ...dump, memory: { ...memory, kind: "physical" } };
  }

  it("are facts still, whatever bytes are flipped (100 seeds)", () => {
    for (let seed = 1; seed <= 100; seed++) {
      const next = numbers(seed);
      const everyNth = [2, 8, 40, 200][seed % 4]!;
      const flips = [1, 16, 256][seed % 3]!;
      const facts = linuxFacts(
        damaged((bytes) => {
          if (next() % everyNth !== 0) return bytes;
          const spoilt = Uint8Array.from(bytes);
          for (let n = 0; n < flips; n++) spoilt[next() % PAGE_SIZE] = next() & 0xff;
          return spoilt;
        }),
      );
      expect(factsSchema.parse(facts).os?.release, `seed ${seed}`).toBe("6.1.0-56-amd64");
    }
  });

  it("are partial and say so where pages are missing (20 seeds)", () => {
    for (let seed = 1; seed <= 20; seed++) {
      const next = numbers(seed);
      const facts = linuxFacts(damaged((bytes) => (next() % 20 === 0 ? null : bytes)));
      expect(factsSchema.parse(facts).dump?.problems.length, `seed ${seed}`).toBeGreaterThan(0);
    }
  });

  it("end with the VMCOREINFO when no memory is left", () => {
    const facts = linuxFacts(damaged(() => null));
    expect(facts).toMatchObject({
      os: { release: "6.1.0-56-amd64", version: null, commandLine: null },
      crash: { title: null, panicked: false, process: null, stack: [] },
      modules: null,
      processes: null,
      log: { records: [], complete: false },
    });
    expect(facts.dump?.problems.map(({ code }) => code)).toEqual(["log-partial", "no-symbols"]);
  });

  it("are refused for what is no Linux dump", () => {
    const memory = { ...damaged(() => null).memory, runs: () => [] } as Dump["memory"];
    const other = { ...dump, memory, notes: [], header: { kind: "elf", vmcoreinfo: null } as const };
    expect(() => linuxFacts(other)).toThrow(expect.objectContaining({ code: "analysis/not-linux" }));
  });
});
