import { hex, type Registers } from "../../binary/index.ts";
import type { HeaderStopCode } from "../../dumpfile/index.ts";
import type { Facts } from "../facts.ts";
import type { Kernel } from "./kernel.ts";
import { isKernelAddress, type KernelMemory } from "./kernel-memory.ts";
import { baseStopCode } from "./stop-codes.ts";

type FlippedBit = NonNullable<NonNullable<Facts["crash"]>["flippedBit"]>;

/** Stop codes whose first parameter is the address that could not be used. */
const ADDRESS_STOPS = new Set([0x0a, 0x50, 0xd1]);
/** Those of an exception, where an address that is not canonical is in a register. */
const EXCEPTION_STOPS = new Set([0x1e, 0x3b, 0x7e]);
/** Who runs past the end of what is mapped comes to addresses nearby: a bit below these leads no farther than that. */
const LOWEST_BIT = 21n;
const HIGHEST_BIT = 63n;
const NEARBY = 1n << LOWEST_BIT;
const PAGE = 0x1000n;

/**
 * The bit that has to be flipped back to make of an address that led nowhere one that is mapped. Null: no single bit does, or there is something
 * mapped near the address, which then is more likely to be only a little wrong.
 */
export function flippedBit(
  kernel: Pick<Kernel, "arch" | "memory">,
  stopCode: HeaderStopCode,
  registers: Registers | null,
): FlippedBit | null {
  const code = baseStopCode(stopCode.code);
  if (kernel.arch !== "x86_64") return null;
  if (ADDRESS_STOPS.has(code)) return flippedIn(kernel.memory, stopCode.parameters[0]);
  if (!EXCEPTION_STOPS.has(code)) return null;
  for (const value of Object.values(registers ?? {})) {
    const found = isCanonical(value) ? null : flippedIn(kernel.memory, value);
    if (found !== null) return found;
  }
  return null;
}

function flippedIn(memory: KernelMemory, address: bigint): FlippedBit | null {
  if (isCanonical(address) && !isKernelAddress(address) && address < NEARBY) return null;
  if (hasNeighbours(memory, address)) return null;
  for (let bit = LOWEST_BIT; bit <= HIGHEST_BIT; bit++) {
    const repaired = address ^ (1n << bit);
    if (isKernelAddress(repaired) && isMapped(memory, repaired))
      return { address: hex(address), repaired: hex(repaired), bit: Number(bit) };
  }
  return null;
}

const hasNeighbours = (memory: KernelMemory, address: bigint): boolean => {
  const start = address & ~(NEARBY - 1n);
  for (let page = start; page < start + NEARBY; page += PAGE) if (isMapped(memory, page)) return true;
  return false;
};

const isMapped = (memory: KernelMemory, address: bigint): boolean =>
  isCanonical(address) && memory.u8(address) !== null;

/** Bits 63 to 47 are all the same. */
const isCanonical = (address: bigint): boolean => BigInt.asUintN(64, BigInt.asIntN(48, address)) === address;
