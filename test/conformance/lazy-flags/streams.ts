import { readdirSync, readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { ACCESS_WRITE } from "../../../src/paging/index.ts";
import { pte, shadowPartition } from "../../hypervisor/shadow-guest.ts";

const PAGE = 4096;
const LEVELS = 4;
const FIRST_TABLE = 1;
const DATA = 1024;

/** References of a program: linear addresses below 4 GiB, and which of them store. */
export interface Stream {
  readonly name: string;
  readonly addresses: Int32Array;
  readonly stores: Uint8Array;
}

/** Writes to the page tables that a stream costs. */
export interface StreamWrites {
  /** A walker without a TLB: each entry used, at every access. */
  everyAccess: number;
  /** One that sets flags at each fill of a TLB of 64 entries, and of one that never displaces: each entry used. */
  everyFillOf64: number;
  everyFirstFill: number;
  /** One that writes only what changes. */
  everyChange: number;
  lazy: number;
}

/** The streams of a folder of `.trace.gz` files: lines of `l` or `s`, an address, instructions since. */
export function streamsOf(folder: string): Stream[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith(".trace.gz"))
    .sort()
    .map((file) => {
      const lines = gunzipSync(readFileSync(`${folder}/${file}`))
        .toString("latin1")
        .trimEnd()
        .split("\n");
      return {
        name: file.slice(0, -".trace.gz".length),
        addresses: Int32Array.from(lines, (line) => Number.parseInt(line.slice(2), 16) | 0),
        stores: Uint8Array.from(lines, (line) => (line.startsWith("s") ? 1 : 0)),
      };
    });
}

/**
 * Runs a stream on shadow tables whose entries have no flags at first; at the end a dump is taken, so all that is owed is written.
 * @param slice references after which another program would run: CR3 is loaded, and TLBs are empty; 0 for never
 */
export function writesOf({ addresses, stores }: Stream, slice: number): StreamWrites {
  const { machine, tables, processor } = shadowPartition({ pages: DATA + 1024, processors: 1 });
  mapAll(machine, addresses);
  const small = new Tlb(64);
  const endless = new Tlb(Number.POSITIVE_INFINITY);
  const accessed = new Set<number>();
  const dirty = new Set<number>();
  let changes = 0;
  for (let index = 0; index < addresses.length; index++) {
    const low = addresses[index]!;
    const store = stores[index] === 1;
    if (slice > 0 && index % slice === slice - 1) {
      processor.loadRoot(FIRST_TABLE);
      small.clear();
      endless.clear();
    }
    if (processor.at(low, store ? ACCESS_WRITE : 0) < 0) throw new Error(`${low.toString(16)} is refused`);
    const page = low >>> 12;
    // A and D of one access to a leaf are one write.
    const isNew = !accessed.has(page);
    if (isNew) changes += upperEntries(page).filter((entry) => !accessed.has(entry)).length;
    if (isNew || (store && !dirty.has(page))) changes++;
    if (isNew) for (const entry of [page, ...upperEntries(page)]) accessed.add(entry);
    if (store) dirty.add(page);
    small.access(page, store, dirty.has(page));
    endless.access(page, store, dirty.has(page));
  }
  processor.engine.synchronizeFlags();
  return {
    everyAccess: LEVELS * addresses.length,
    everyFillOf64: LEVELS * small.fills,
    everyFirstFill: LEVELS * endless.fills,
    everyChange: changes,
    lazy: tables.counters().guestTableFlagWrites!,
  };
}

/** Names of the three entries above a page's, which no page has. */
function upperEntries(page: number): number[] {
  return [9, 18, 27].map((shift) => -1 - (shift * 2 ** 20 + (page >>> shift)));
}

/** Maps every page that is used, in tables without accessed and dirty flags. */
function mapAll(machine: ReturnType<typeof shadowPartition>["machine"], addresses: Int32Array): void {
  let lastTable = FIRST_TABLE + 3;
  const tableOf = new Map<number, number>([[0, FIRST_TABLE + 3]]);
  const directories = new Map<number, number>([[0, FIRST_TABLE + 2]]);
  for (const page of new Set(Array.from(addresses, (low) => low >>> 12))) {
    const directory = directories.get(page >>> 18) ?? ++lastTable;
    if (!directories.has(page >>> 18))
      machine.setEntry((FIRST_TABLE + 1) * PAGE + (page >>> 18) * 8, pte(directory, 7n));
    directories.set(page >>> 18, directory);
    const table = tableOf.get(page >>> 9) ?? ++lastTable;
    if (!tableOf.has(page >>> 9)) machine.setEntry(directory * PAGE + ((page >>> 9) & 511) * 8, pte(table, 7n));
    tableOf.set(page >>> 9, table);
    machine.setEntry(table * PAGE + (page & 511) * 8, pte(DATA + (page % 1024), 7n));
  }
}

/** Which pages a TLB with LRU replacement holds; with a flag where it holds the right to write. */
class Tlb {
  fills = 0;
  readonly #size: number;
  readonly #pages = new Map<number, boolean>();

  constructor(size: number) {
    this.#size = size;
  }

  clear(): void {
    this.#pages.clear();
  }

  access(page: number, store: boolean, isDirty: boolean): void {
    const writable = this.#pages.get(page);
    if (writable === undefined || (store && !writable)) this.fills++;
    this.#pages.delete(page);
    this.#pages.set(page, store || writable === true || (writable === undefined && isDirty));
    if (this.#pages.size > this.#size) this.#pages.delete(this.#pages.keys().next().value!);
  }
}
