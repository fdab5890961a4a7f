import { StopcodeError } from "../../src/binary/index.ts";
import { MAP_ALL, MAP_READ } from "../../src/hypervisor/frame-map.ts";
import { GeneralProtectionFault, PageFault } from "../../src/hypervisor/index.ts";
import type { SharingRequest } from "../../src/hypervisor/sharing/index.ts";
import { FLUSH_ALL_ADDRESS_SPACES, FLUSH_ALL_PROCESSORS } from "../../src/hypervisor/translation/shadow/index.ts";
import { CR0_WP, CR4_PKE, CR4_SMAP, CR4_SMEP, EFER_NXE } from "../../src/paging/index.ts";
import {
  ALIAS_AT,
  type AuditedMachine,
  LARGE_AT,
  OTHER_AT,
  PAGE,
  PROCESSORS,
  ROOTS,
  TABLES,
  WINDOW,
} from "./audit-machine.ts";
import { A, D, G, NX, P, pte, U, W } from "./shadow-guest.ts";

/** A number's bits, taken off from the low end. */
function taker(number: number) {
  let rest = number >>> 0;
  return (values: number) => {
    const taken = rest % values;
    rest = Math.floor(rest / values);
    return taken;
  };
}

const FLAGS = [P, W, U, A, D, G, NX];
const UPPER_FLAGS = [W, U, NX, A];
/** Frames that are shared; a guest table is among them only where the machine says so. */
const SHARED = [0x100, 0x101, 0x150, 0x300];
const SHARED_TABLE = 20;

/** Kinds of operations; the one in which control registers are assigned, as a host does and no guest. */
export const OPERATION_KINDS = 20;
export const REGISTERS_ASSIGNED = 15;

/** One operation of a guest or of its host; what a guest is refused is no matter here. */
export function operate(machine: AuditedMachine, requests: SharingRequest[], operation: number, index: number): void {
  attempt(() => perform(machine, requests, operation, index));
}

function perform(machine: AuditedMachine, requests: SharingRequest[], operation: number, index: number): void {
  const take = taker(operation);
  const kind = take(OPERATION_KINDS);
  const partition = machine.partitions[take(2)]!;
  const processor = partition.processors[take(PROCESSORS)]!;
  const { memory, calls } = partition;
  const rest = taker(Math.imul(operation ^ index, 0x9e37_79b1));
  if (kind < 8) {
    const region = [0, LARGE_AT, ALIAS_AT, OTHER_AT][rest(4)]!;
    const page = region === LARGE_AT ? rest(2) * 500 + rest(6) : rest(10);
    processor.translate(0, region + page * PAGE, rest(32));
  } else if (kind < 12) {
    const tableIndex = rest(TABLES.length);
    const table = TABLES[tableIndex]!;
    const at = rest(10) * 8;
    const before = memory.readU64(table * PAGE + at);
    const isLeaf = table === 4 || table === 14 || table === 20;
    const fresh = isLeaf && rest(3) === 0 ? pte(0x100 + rest(32), P | W | U | A | D) : before;
    const flip = isLeaf ? FLAGS[rest(FLAGS.length)]! : UPPER_FLAGS[rest(UPPER_FLAGS.length)]!;
    const entry = fresh ^ flip ^ (isLeaf ? BigInt(rest(4)) << 59n : 0n);
    const window = BigInt((WINDOW + tableIndex) * PAGE + at);
    const linear = (table === 20 ? OTHER_AT : 0) + (at / 8) * PAGE;
    if (isLeaf && rest(2) === 0) attempt(() => processor.translate(0, linear, 0));
    if (kind === 11) memory.writeU64(table * PAGE + at, entry);
    else if (kind === 10 && rest(2) === 0) processor.write(window, bytesOf(entry, before));
    else processor.writeU64(window, entry);
    if (isLeaf && rest(2) === 0) processor.invlpg(BigInt(linear));
  } else if (kind === 12) {
    const root = ROOTS[rest(2)]!;
    const value = BigInt(root * PAGE + rest(3)) | (BigInt(rest(2)) << 63n);
    if (rest(3) === 0) processor.switchAddressSpace(BigInt.asUintN(63, value));
    else processor.moveToCr3(value);
  } else if (kind === 13) processor.invlpg(BigInt([0, LARGE_AT, ALIAS_AT, OTHER_AT][rest(4)]! + rest(10) * PAGE));
  else if (kind === 14) processor.invpcid(rest(4), rest(3), BigInt(rest(10) * PAGE));
  else if (kind === REGISTERS_ASSIGNED) {
    const { registers } = processor;
    const which = rest(6);
    if (which === 0) registers.cr0 ^= BigInt(CR0_WP);
    else if (which === 1) registers.cr4 ^= BigInt(CR4_SMEP);
    else if (which === 2) registers.cr4 ^= BigInt(CR4_SMAP);
    else if (which === 3) registers.cr4 ^= BigInt(CR4_PKE);
    else if (which === 4) registers.efer ^= BigInt(EFER_NXE);
    else processor.pkru = rest(256);
  } else if (kind === 16 && calls !== null) {
    const all = rest(2) === 0 ? FLUSH_ALL_ADDRESS_SPACES : 0;
    const flags = all | (rest(2) === 0 ? FLUSH_ALL_PROCESSORS : 0);
    const target = { addressSpace: processor.registers.cr3, flags, processors: BigInt(1 + rest(7)) };
    if (rest(2) === 0) partition.flushAddressSpace(target);
    else partition.flushAddressList(target, [BigInt(rest(10) * PAGE + rest(3)), BigInt(ALIAS_AT + rest(4) * PAGE)]);
  } else if (kind === 17) {
    const page = [0x100 + rest(8), 512 + rest(512), 0x150, 0x300][rest(4)]!;
    if (rest(4) === 0) memory.unmap(page, 1);
    else memory.protect(page, 1, rest(2) === 0 ? MAP_ALL : MAP_READ | (rest(2) === 0 ? 2 : 4));
  } else sharingOperation(machine, requests, rest);
}

function sharingOperation(machine: AuditedMachine, requests: SharingRequest[], rest: (n: number) => number): void {
  const { sharing } = machine;
  const owner = machine.partitions[rest(2)]!;
  const requester = machine.partitions[rest(2)]!;
  const frames = machine.sharesTables ? [...SHARED, SHARED_TABLE] : SHARED;
  const pages = Array.from({ length: 1 + rest(3) }, () => frames[rest(frames.length)]!);
  if (rest(2) === 0) {
    for (const page of frames) if (owner.memory.ownsFrame(page)) sharing.allowDma(owner, page, 1);
    sharing.allowDma(requester, 0x500, 4);
    const direction = rest(2) === 0 ? "to-shared" : "from-shared";
    const answer = sharing.request({ owner, pages, requester, bufferPage: 0x500, device: "nic", direction });
    if (answer.status === "success") requests.push(answer.request);
  } else if (requests.length > 0) {
    const request = requests[rest(requests.length)]!;
    sharing.dma.run(request.descriptor, 1024 * rest(16));
    if (rest(2) === 0) sharing.complete(requests.splice(requests.indexOf(request), 1)[0]!);
  }
}

function bytesOf(...entries: readonly bigint[]): Uint8Array {
  return new Uint8Array(BigUint64Array.from(entries, (entry) => BigInt.asUintN(64, entry)).buffer);
}

const isRefusal = (error: unknown) =>
  error instanceof PageFault || error instanceof GeneralProtectionFault || error instanceof StopcodeError;

/** Goes on where a guest is refused, as a guest does. */
function attempt(what: () => void): void {
  try {
    what();
  } catch (error) {
    if (!isRefusal(error)) throw error;
  }
}
