import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect } from "vitest";
import { analyze, facts } from "../../../src/analysis/index.ts";
import { StopcodeError } from "../../../src/binary/index.ts";
import { sharedData, withPeers } from "../../peers.ts";

const folder = mkdtempSync(join(tmpdir(), "stopcode-nt-fuzz-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** mulberry32: a small generator, so that a seed that fails can be run again. */
function randomOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

const WORDS = [0, 1, 0x7fff_ffff, 0xffff_ffff, 0x4547_4150, 0xffff_8000, 0x1000];

/** Where the structures lie that lead to others: header, triage index, control blocks, stack, drivers, block list. */
function damage(dump: Uint8Array, seed: number): Uint8Array {
  const random = randomOf(seed);
  const broken = Uint8Array.from(dump);
  const view = new DataView(broken.buffer);
  const index = 0x2000;
  const places = [0x10, 0x1c, 0x20, 0x24, 0x28, 0x30, 0x70, 0x78].map((field) => view.getUint32(index + field, true));
  const flips = 1 + random(40);
  for (let i = 0; i < flips; i++) {
    const area = random(12);
    const start = area === 0 ? 0 : area === 1 ? index : (places[area - 2] ?? random(broken.length));
    const at = (start + random(area < 2 ? 0x80 : 0x400)) % (broken.length - 4);
    if (random(2)) broken[at] = random(256);
    else view.setUint32(at, WORDS[random(WORDS.length)]!, true);
  }
  return random(10) === 0 ? broken.subarray(0, random(broken.length)) : broken;
}

withPeers({ data: "windows/rizin" }).describe(
  "a damaged triage dump gives facts or a StopcodeError, and nothing else",
  () => {
    withPeers({ data: "windows/rizin" }).it.each(["triage_x64.dmp", "triage_arm64.dmp"])(
      "%s, 100 seeds",
      async (name) => {
        const whole = readFileSync(sharedData(`windows/rizin/${name}`));
        let analyzed = 0;
        for (let seed = 0; seed < 100; seed++) {
          const path = join(folder, name);
          writeFileSync(path, damage(whole, seed));
          try {
            const found = await analyze(path);
            expect(facts.safeParse(found).error?.message, `seed ${seed}`).toBeUndefined();
            analyzed++;
          } catch (error) {
            expect(error, `seed ${seed}: ${(error as Error).stack}`).toBeInstanceOf(StopcodeError);
          }
        }
        expect(analyzed, "most damage leaves something to read").toBeGreaterThan(40);
      },
    );
  },
);
