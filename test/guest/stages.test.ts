import { describe, expect, it } from "vitest";
import type { Procedure } from "../../src/guest/checks/armed-checks.ts";
import { type DiagnosisState, NOTHING_KNOWN } from "../../src/guest/checks/diagnosis-state.ts";
import {
  askForChecks,
  completeStart,
  readDiagnosis,
  recordStop,
  writeDiagnosis,
} from "../../src/guest/checks/diagnosis-store.ts";
import { beginSession } from "../../src/guest/checks/stages.ts";

const PROCEDURES: readonly Procedure[] = [
  { stopCode: 0x19, after: null, arm: [{ check: "special-pool", target: null }] },
  { stopCode: 0xd6, after: 0x19, arm: [] },
  { stopCode: 0x3f, after: null, arm: [{ check: "pte-tracking", target: null }] },
  { stopCode: 0xd8, after: 0x3f, arm: [] },
  { stopCode: 0xc4, after: 0xce, arm: [] },
];
const DRIVERS = ["d.sys", "a.sys", "c.sys", "b.sys"];
const TAG = 0x64726352; // "Rcrd"

/** A machine that is only its store: sessions one after another. */
function machine() {
  const store = new Uint8Array(8192);
  let boot = 0;
  const session = (end: { stop?: number; tag?: number; coverage?: number; early?: boolean; ask?: string } = {}) => {
    boot++;
    const { state, told } = beginSession(readDiagnosis(store), {
      ...{ boot, at: BigInt(boot) * 1000n, procedures: PROCEDURES, drivers: DRIVERS },
    });
    writeDiagnosis(store, state);
    if (!end.early) completeStart(store);
    if (end.stop !== undefined)
      recordStop(
        store,
        boot,
        { stopCode: end.stop, parameters: [1n, 2n, 3n, 4n], tag: end.tag ?? 0 },
        end.coverage ?? null,
      );
    if (end.ask !== undefined)
      askForChecks(store, [{ check: "special-pool", target: end.ask === "all" ? null : end.ask }]);
    const armed = state.checks.filter(({ status }) => status === "armed");
    return { state, told, armed: armed.map(({ check, target }) => (target === null ? check : `${check} ${target}`)) };
  };
  return { store, session };
}

describe("stages of self-diagnosis", () => {
  it("6.6/17: a different stop code keeps what is armed, adds its own, and both are counted", () => {
    const { session } = machine();
    session({ stop: 0x3f });
    expect(session({ stop: 0x19 }).armed).toEqual(["pte-tracking"]);
    const third = session({ stop: 0x19 });
    expect(third.armed).toEqual(["pte-tracking", "special-pool"]);
    expect(third.state.checks.map(({ stopCode, boot }) => [stopCode, boot])).toEqual([
      [0x3f, 2],
      [0x19, 3],
    ]);
    expect(session().state.stops).toEqual([
      { stopCode: 0x3f, count: 1, firstBoot: 1 },
      { stopCode: 0x19, count: 2, firstBoot: 2 },
    ]);
  });

  it("the same stop code again while armed has the check for more, step by step, and then no more", () => {
    const { session } = machine();
    session({ stop: 0xd1, ask: "scan.sys" });
    expect(session({ stop: 0xd1, tag: TAG }).armed).toEqual(["special-pool scan.sys"]);
    const second = session({ stop: 0xd1, tag: TAG, ask: "scan.sys" });
    expect(second.armed).toEqual(["special-pool third-party"]);
    expect(second.told.join()).toContain("0xd1 came again under special-pool for scan.sys");
    expect(session({ stop: 0xd1, tag: TAG }).armed).toEqual(["special-pool third-party", "special-pool tag:Rcrd"]);
    expect(session({ stop: 0xd1, tag: TAG }).armed).toEqual(["special-pool"]);
    expect(session().armed).toEqual(["special-pool"]);
  });

  it("6.6/15: pool tracking finds writes past blocks: special pool is for the suspect, then third parties, their tag too, then all", () => {
    const { session } = machine();
    const writtenBehind = { stop: 0xc4, tag: TAG, ask: "scan.sys" };
    const armed = Array.from({ length: 6 }, () => session(writtenBehind).armed);
    expect(armed).toEqual([
      [],
      ["special-pool scan.sys"],
      ["special-pool third-party"],
      ["special-pool third-party", "special-pool tag:Rcrd"],
      ["special-pool"],
      ["special-pool"],
    ]);
  });

  it("6.6/15: special pool that then stops the write ends the escalation", () => {
    const { session } = machine();
    session({ stop: 0xc4, tag: TAG, ask: "scan.sys" });
    expect(session({ stop: 0xd6 }).armed).toEqual(["special-pool scan.sys"]);
    expect(session({ stop: 0xc4, tag: TAG }).state.found).toBe(0xd6);
    expect(session().armed).toEqual(["special-pool scan.sys"]);
  });

  it("whom all third parties cover already is not armed a second time", () => {
    const { session } = machine();
    session({ stop: 0xd1, ask: "third-party" });
    session({ stop: 0x50, ask: "scan.sys" });
    expect(session().armed).toEqual(["special-pool third-party"]);
  });

  it("a wish for all does not skip a step", () => {
    const { session } = machine();
    session({ stop: 0xd1, ask: "scan.sys" });
    session({ stop: 0xd1, ask: "all" });
    expect(session().armed).toEqual(["special-pool third-party"]);
  });

  it("without a tag, third parties are followed by all", () => {
    const { session } = machine();
    session({ stop: 0xd1, ask: "third-party" });
    session({ stop: 0xd1 });
    expect(session().armed).toEqual(["special-pool"]);
  });

  it("the stop code that a check was armed to find ends the search: nothing is made wider", () => {
    const { session } = machine();
    session({ stop: 0x19, ask: "scan.sys" });
    session({ stop: 0xd6 });
    const found = session({ stop: 0x19 });
    expect(found.state.found).toBe(0xd6);
    expect(found.told.join()).toContain("0xd6 is what special-pool was armed to find");
    expect(session().armed).toEqual(found.armed);
  });

  it("6.6/22: three clean sessions have the costliest check step down, three more the next, until nothing is armed", () => {
    const { session } = machine();
    session({ stop: 0x3f });
    session({ stop: 0x19 });
    const armed = Array.from({ length: 8 }, () => session().armed);
    const both = ["pte-tracking", "special-pool"];
    expect(armed).toEqual([both, both, both, ["pte-tracking"], ["pte-tracking"], ["pte-tracking"], [], []]);
  });

  it("a stop between clean sessions has them counted anew", () => {
    const { session } = machine();
    session({ stop: 0x3f });
    for (let clean = 0; clean < 2; clean++) session();
    session({ stop: 0x50 });
    for (let clean = 0; clean < 3; clean++) expect(session().armed).toEqual(["pte-tracking"]);
    expect(session().armed).toEqual([]);
  });

  it("6.6/23: two starts in a row that fail while armed disarm, say so, and do not arm the same again", () => {
    const { session } = machine();
    session({ stop: 0x19 });
    session({ stop: 0xc1, early: true });
    expect(session({ stop: 0xc1, early: true }).armed).toEqual(["special-pool"]);
    const disarmed = session({ stop: 0x19 });
    expect(disarmed.armed).toEqual([]);
    expect(disarmed.told).toContain("checks prevent the start, and are disarmed: special-pool");
    const after = session();
    expect(after.armed).toEqual([]);
    expect(after.told).toContain("not armed: with special-pool on, this machine did not start");
  });

  it("a start that is killed before it is complete has failed; one that fails between two good ones has not", () => {
    const { session } = machine();
    session({ stop: 0x19 });
    session({ early: true });
    session();
    session({ early: true });
    expect(session().armed).toEqual(["special-pool"]);
    session({ early: true });
    session({ early: true });
    expect(session().armed).toEqual([]);
  });

  it("starts that fail while nothing is armed disarm nothing", () => {
    const { session } = machine();
    for (let start = 0; start < 4; start++) expect(session({ early: true }).told).toEqual([]);
    session({ stop: 0x19 });
    expect(session().armed).toEqual(["special-pool"]);
  });

  it("special pool that cannot be afforded for all is for every second driver, and for the others when that found nothing", () => {
    const { session } = machine();
    session({ stop: 0x19 });
    session({ stop: 0x19, coverage: 700 });
    const part = session({ stop: 0x19, coverage: 700 });
    expect(part.armed).toEqual(["special-pool b.sys", "special-pool d.sys"]);
    expect(part.state.checks.every(({ isPart }) => isPart)).toBe(true);
    expect(part.told.join()).toContain("cannot be afforded: it is armed for b.sys, d.sys");
    expect(session().armed).toEqual(["special-pool a.sys", "special-pool c.sys"]);
  });

  it("special pool that has found something, though it held too little, stays for all", () => {
    const { session } = machine();
    session({ stop: 0x19 });
    session({ stop: 0xd6, coverage: 700 });
    expect(session().armed).toEqual(["special-pool"]);
  });

  it("95 per cent are enough for all", () => {
    const { session } = machine();
    session({ stop: 0x19 });
    session({ stop: 0x19, coverage: 950 });
    expect(session().armed).toEqual(["special-pool"]);
  });
});

describe("6.6/24: the state in non-volatile memory, of a writer that is killed", () => {
  /** A state with something of everything, and the one after it. */
  function states(): { old: Uint8Array; oldState: DiagnosisState; newState: DiagnosisState; written: Uint8Array } {
    const { store, session } = machine();
    session({ stop: 0x3f, ask: "scan.sys" });
    session({ stop: 0x19, tag: TAG });
    const old = store.slice();
    const oldState = readDiagnosis(old).state;
    session();
    const { state } = readDiagnosis(store);
    const written = old.slice();
    writeDiagnosis(written, state);
    return { old, oldState, newState: state, written };
  }

  it("is the old one or the new one, wherever the write was cut off, and a cut is told", () => {
    const { old, oldState, newState, written } = states();
    const differing = [...written.keys()].filter((at) => written[at] !== old[at]);
    const outcomes = new Set<string>();
    for (const cut of [...differing, written.length]) {
      const torn = old.slice();
      torn.set(written.subarray(0, cut));
      const { state, isDamaged } = readDiagnosis(torn);
      const isNew = cut > differing.at(-1)!;
      expect(state).toEqual(isNew ? newState : oldState);
      if (isNew) expect(isDamaged).toBe(false);
      outcomes.add(`${isNew} ${isDamaged}`);
    }
    expect(differing.length).toBeGreaterThan(20);
    expect(outcomes).toContain("false true");
    expect(outcomes).toContain("true false");
  });

  it("counts as none where both slots are damaged: nothing is armed, and it is told", () => {
    const { written } = states();
    for (let at = 0; at < written.length; at += 64) written[at] = written[at]! ^ 0x10;
    const stored = readDiagnosis(written);
    expect(stored).toEqual({ state: NOTHING_KNOWN, isDamaged: true });
    const plan = beginSession(stored, { boot: 4, at: 0n, procedures: PROCEDURES, drivers: DRIVERS });
    expect(plan.state.checks).toEqual([]);
    expect(plan.told).toContain(
      "the record of the last session is damaged: it is not used, and what was known before it counts",
    );
    expect(plan.state.damagedAtBoot).toBe(4);
  });

  it("takes a session whose end is not known neither for clean nor for failed", () => {
    const { store, session } = machine();
    session({ stop: 0x19 });
    session();
    const before = store.slice();
    recordStop(store, 2, { stopCode: 0x50, parameters: [0n, 0n, 0n, 0n], tag: 0 }, null);
    const at = store.findIndex((byte, index) => byte !== before[index]);
    store[at] = store[at]! ^ 0x80;
    const { state, armed } = session();
    expect([state.cleanSessions, state.failedStarts, armed]).toEqual([0, 0, ["special-pool"]]);
    expect(state.stops).toEqual([{ stopCode: 0x19, count: 1, firstBoot: 1 }]);
  });

  it("of any single bit that has changed is never another state than one that was written", () => {
    const { written, newState, oldState } = states();
    for (let at = 0; at < written.length; at += 7) {
      const changed = written.slice();
      changed[at] = changed[at]! ^ (1 << (at % 8));
      expect([newState, oldState]).toContainEqual(readDiagnosis(changed).state);
    }
  });
});
