import { A, type AccessName, D, Guest } from "./guest.ts";
import type { Levels, Subject } from "./subject.ts";

/** A short program against a subject's memory management, and what it has to see. */
export interface Scenario {
  readonly name: string;
  /** @returns what went wrong, in words; empty when nothing did */
  run(subject: Subject, levels: Levels): string[];
}

/** What a scenario expects, collected. */
export class Expectations {
  readonly problems: string[] = [];
  readonly #guest: Guest;

  constructor(guest: Guest) {
    this.#guest = guest;
  }

  access(linear: bigint, access: AccessName, expected: string): void {
    this.#same(`${access} at ${linear.toString(16)}`, this.#guest.access(linear, access), expected);
  }

  accessed(linear: bigint, level: number, expected: boolean): void {
    this.#flag("accessed", A, linear, level, expected);
  }

  dirty(linear: bigint, level: number, expected: boolean): void {
    this.#flag("dirty", D, linear, level, expected);
  }

  #flag(name: string, bit: bigint, linear: bigint, level: number, expected: boolean): void {
    const found = (this.#guest.entry(linear, level) & bit) !== 0n;
    this.#same(`${name} flag on level ${level} for ${linear.toString(16)}`, String(found), String(expected));
  }

  #same(what: string, found: string, expected: string): void {
    if (found !== expected) this.problems.push(`${what}: ${found}, not ${expected}`);
  }
}

/** `steps` run as a scenario on a subject of their own. */
export function scenario(name: string, steps: (guest: Guest, expect: Expectations) => void): Scenario {
  return {
    name,
    run(subject, levels) {
      const guest = new Guest(subject, levels);
      const expect = new Expectations(guest);
      steps(guest, expect);
      return expect.problems;
    },
  };
}
