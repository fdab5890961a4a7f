/**
 * A second walker, slow and plain, that shares no line with src/paging: bigint entries, every rule of the processor manual
 * (Intel SDM volume 3A, chapter 4) as one sentence of its own. Only tests use it.
 */

export interface Machine {
  levels: 4 | 5;
  maxPhysicalAddressBits: number;
  gigabytePages: boolean;
  writeProtect: boolean;
  noExecuteEnabled: boolean;
  smep: boolean;
  smap: boolean;
  protectionKeys: boolean;
  globalPages: boolean;
  pkru: number;
  root: bigint;
}

export interface Access {
  kind: "read" | "write" | "fetch";
  by: "user" | "supervisor" | "processor";
  alignmentCheckFlag: boolean;
}

export type Outcome =
  | { fault: "general-protection" }
  | { fault: "page"; errorCode: number }
  | {
      fault: null;
      physical: bigint;
      pageBytes: bigint;
      writable: boolean;
      user: boolean;
      executable: boolean;
      global: boolean;
      /** Entries as they stand after the access. */
      entries: { address: bigint; value: bigint }[];
    };

const bit = (value: bigint, number: number) => ((value >> BigInt(number)) & 1n) === 1n;
const bits = (value: bigint, high: number, low: number) =>
  (value >> BigInt(low)) & ((1n << BigInt(high - low + 1)) - 1n);
const SHIFT: Record<number, number> = { 1: 12, 2: 21, 3: 30, 4: 39, 5: 48 };

interface Step {
  level: number;
  address: bigint;
  value: bigint;
}

function isCanonical(linear: bigint, machine: Machine): boolean {
  const width = machine.levels === 5 ? 57 : 48;
  return BigInt.asUintN(64, BigInt.asIntN(width, linear)) === linear;
}

const isLeaf = ({ level, value }: Step) => level === 1 || (level <= 3 && bit(value, 7));

function hasReservedBit({ level, value }: Step, machine: Machine): boolean {
  const width = machine.maxPhysicalAddressBits;
  if (width < 52 && bits(value, 51, width) !== 0n) return true;
  if (!machine.noExecuteEnabled && bit(value, 63)) return true;
  if (level >= 4) return bit(value, 7);
  if (level === 3 && bit(value, 7)) return !machine.gigabytePages || bits(value, 29, 13) !== 0n;
  if (level === 2 && bit(value, 7)) return bits(value, 20, 13) !== 0n;
  return false;
}

function isRefused(machine: Machine, access: Access, page: { user: boolean; writable: boolean; noExecute: boolean }) {
  const { kind, by } = access;
  if (by === "user") {
    if (!page.user) return true;
    if (kind === "write") return !page.writable;
    return kind === "fetch" && page.noExecute;
  }
  if (kind === "fetch") return page.noExecute || (machine.smep && page.user);
  if (machine.smap && page.user && (by === "processor" || !access.alignmentCheckFlag)) return true;
  return kind === "write" && machine.writeProtect && !page.writable;
}

function isRefusedByKey(machine: Machine, access: Access, pageIsUser: boolean, leaf: bigint): boolean {
  if (!machine.protectionKeys || !pageIsUser || access.kind === "fetch") return false;
  const key = Number(bits(leaf, 62, 59));
  const accessDisable = bit(BigInt(machine.pkru >>> 0), 2 * key);
  const writeDisable = bit(BigInt(machine.pkru >>> 0), 2 * key + 1);
  if (accessDisable) return true;
  return writeDisable && access.kind === "write" && (access.by === "user" || machine.writeProtect);
}

export function referenceWalk(
  readEntry: (address: bigint) => bigint,
  machine: Machine,
  linear: bigint,
  access: Access,
): Outcome {
  if (!isCanonical(linear, machine)) return { fault: "general-protection" };

  const describesAccess =
    (access.kind === "write" ? 2 : 0) +
    (access.by === "user" ? 4 : 0) +
    (access.kind === "fetch" && (machine.noExecuteEnabled || machine.smep) ? 16 : 0);

  const steps: Step[] = [];
  let table = (machine.root >> 12n) << 12n;
  for (let level: number = machine.levels; ; level--) {
    const address = table + 8n * bits(linear, SHIFT[level]! + 8, SHIFT[level]!);
    const step = { level, address, value: readEntry(address) };
    if (!bit(step.value, 0)) return { fault: "page", errorCode: describesAccess };
    if (hasReservedBit(step, machine)) return { fault: "page", errorCode: describesAccess + 1 + 8 };
    steps.push(step);
    if (isLeaf(step)) break;
    table = bits(step.value, 51, 12) << 12n;
  }

  const leaf = steps.at(-1)!;
  const user = steps.every(({ value }) => bit(value, 2));
  const writable = steps.every(({ value }) => bit(value, 1));
  const noExecute = machine.noExecuteEnabled && steps.some(({ value }) => bit(value, 63));
  const byKey = isRefusedByKey(machine, access, user, leaf.value);
  if (byKey) return { fault: "page", errorCode: describesAccess + 1 + 32 };
  if (isRefused(machine, access, { user, writable, noExecute }))
    return { fault: "page", errorCode: describesAccess + 1 };

  const shift = SHIFT[leaf.level]!;
  const offset = bits(linear, shift - 1, 0);
  // The same entry may be met at two levels (a table that maps itself): its flags add up.
  const entries = new Map<bigint, bigint>();
  for (const { address, value } of steps) entries.set(address, value | (1n << 5n));
  if (access.kind === "write") entries.set(leaf.address, entries.get(leaf.address)! | (1n << 6n));
  return {
    fault: null,
    physical: (bits(leaf.value, 51, shift) << BigInt(shift)) + offset,
    pageBytes: 1n << BigInt(shift),
    user,
    writable,
    executable: !noExecute,
    global: machine.globalPages && bit(leaf.value, 8),
    entries: [...entries].map(([address, value]) => ({ address, value })),
  };
}
