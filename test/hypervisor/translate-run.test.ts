import { describe, expect, it } from "vitest";
import { MAP_FRAME } from "../../src/hypervisor/frame-map.ts";
import { type EngineKind, MAP_ALL, MAP_READ, MAP_WRITE } from "../../src/hypervisor/index.ts";
import { MISSED } from "../../src/hypervisor/translation/engine.ts";
import { EngineMachine } from "./engine-machine.ts";
import { anyAccess, anyAddress, anyControl, anyTables, generator, halves, PAGES } from "./random-tables.ts";

const RUN = 24;
const KINDS: readonly EngineKind[] = ["walk", "tlb", "shadow"];

/** Pages of one upper half that this access reaches on a machine, as far as some guessing finds them. */
function reachable(machine: EngineMachine, access: number, below: (n: number) => number) {
  const [high] = halves(anyAddress(below));
  const lows: number[] = [];
  for (let n = 0; n < 40; n++) {
    const [, low] = halves(anyAddress(below));
    if (machine.engine.translate(high, low, access) >= 0) lows.push(low & ~0xfff);
  }
  return { high, lows };
}

/** Mostly pages that can be reached, so that runs get on; here and there any. */
function anyRun(lows: readonly number[], below: (n: number) => number): Int32Array {
  return Int32Array.from({ length: RUN + 2 }, () => {
    if (below(60) === 0) return halves(anyAddress(below))[1];
    return lows[below(lows.length)]! | below(4096);
  });
}

/** Takes rights away in the partition's map from some of the pages that hold no tables. */
function limitMap(machine: EngineMachine, below: (n: number) => number): void {
  for (let page = 12; page < PAGES; page++) {
    const rights = [MAP_ALL, MAP_ALL, MAP_READ, MAP_READ | MAP_WRITE, 0][below(5)]!;
    machine.map[page] = (machine.map[page]! & MAP_FRAME) | rights;
  }
  machine.engine.guestMapChanged(12, PAGES - 12);
}

describe("a run of translations, and what is at hand, is the translations one by one", () => {
  it.each(KINDS.flatMap((kind) => [1, 2, 3].map((seed) => [kind, seed] as const)))(
    "%s: addresses, where it ends, why, and the flags left in memory (seed %i)",
    (kind, seed) => {
      const below = generator(seed * 6_700_417);
      const inRuns = new EngineMachine(kind, PAGES);
      const single = new EngineMachine(kind, PAGES);
      const probe = new EngineMachine("walk", PAGES);
      const addresses = new Int32Array(RUN);
      let whole = 0;
      let cut = 0;
      let hits = 0;
      for (let round = 0; round < 400; round++) {
        const tables = below(2 ** 30) + 1;
        const control = { ...anyControl(below), cr3: (1 + below(10)) * 4096 };
        for (const machine of [inRuns, single, probe]) {
          anyTables(machine, generator(tables));
          limitMap(machine, generator(tables + 1));
          machine.engine.invalidatePcid(2, 0, 0, 0);
          machine.load(control);
        }
        for (let n = 0; n < 12; n++) {
          const access = anyAccess(below);
          const { high, lows: reached } = reachable(probe, access, below);
          if (reached.length === 0) continue;
          const lows = anyRun(reached, below);
          const expected: number[] = [];
          for (let index = 2; index < lows.length; index++) {
            const page = single.engine.hit(high, lows[index]!, access);
            const address = single.engine.translate(high, lows[index]!, access);
            if ((page & MISSED) === 0) {
              expect(page | (lows[index]! & 0xfff), `round ${round} run ${n}`).toBe(address | 0);
              hits++;
            }
            if (address < 0) break;
            expected.push(address | 0);
          }
          const done = inRuns.engine.translateRun(high, lows, 2, RUN, access, addresses);
          expect([...addresses.subarray(0, done)], `round ${round} run ${n}`).toEqual(expected);
          if (done < RUN) {
            const { refusal, errorCode } = single.engine;
            expect({ refusal: inRuns.engine.refusal, errorCode: inRuns.engine.errorCode }).toEqual({
              refusal,
              errorCode,
            });
            if (done > 0) cut++;
          } else whole++;
        }
        for (const machine of [inRuns, single]) machine.engine.synchronizeFlags();
        expect(Buffer.from(inRuns.words.buffer).equals(Buffer.from(single.words.buffer)), `round ${round}`).toBe(true);
      }
      expect(cut).toBeGreaterThan(100);
      expect(hits).toBeGreaterThan(1000);
      expect(whole).toBeGreaterThan(20);
    },
  );
});
