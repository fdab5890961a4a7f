import { hex, joinAddress, PAGE_SIZE, StopcodeError } from "../binary/index.ts";
import { ACCESS_WRITE, FAULT_GENERAL_PROTECTION, PageWalker } from "../paging/index.ts";
import { GeneralProtectionFault, PageFault } from "./faults.ts";
import type { GuestPhysicalMemory } from "./guest-memory.ts";
import { addressingState, type RegisterFile, registerFile, resetRegisters } from "./register-file.ts";

/** Physical address bits of the machine, as its guests see them. */
export const MAX_PHYSICAL_ADDRESS_BITS = 40;

const PAGE_MASK = PAGE_SIZE - 1;

/** What a processor asks of the partition it belongs to. */
export interface Execution {
  readonly memory: GuestPhysicalMemory;
  /** @throws StopcodeError `hypervisor/not-running` */
  mustRun(): void;
}

/**
 * A partition's processor: registers, and accesses by linear address through the guest's own page tables.
 *
 * In a partition that does not run, every access throws StopcodeError `hypervisor/not-running` and nothing happens. An
 * access that the page tables refuse throws PageFault (CR2 is set) or GeneralProtectionFault, and has then changed neither
 * memory nor flags; one that they send to a guest physical address without memory throws StopcodeError
 * `hypervisor/unmapped-gpa`.
 */
export class VirtualProcessor {
  readonly index: number;
  readonly registers: RegisterFile;
  /** Accesses begun since the processor was made, allowed or refused; a processor that does not run begins none. */
  accesses = 0;
  /** Page faults that were handed to the guest. */
  pageFaults = 0;

  readonly #execution: Execution;
  readonly #memory: GuestPhysicalMemory;
  readonly #state = addressingState();
  readonly #walker: PageWalker;
  readonly #probe: PageWalker;

  constructor(index: number, execution: Execution) {
    this.index = index;
    this.#execution = execution;
    this.#memory = execution.memory;
    this.registers = registerFile(this.#state);
    const maxPhysicalAddressBits = MAX_PHYSICAL_ADDRESS_BITS;
    this.#walker = new PageWalker(this.#memory, { maxPhysicalAddressBits, setFlags: true });
    this.#probe = new PageWalker(this.#memory, { maxPhysicalAddressBits, setFlags: false });
    this.reset();
  }

  /** Protection-key rights of user pages, which are no control register. */
  get pkru(): number {
    return this.#state.pkru;
  }

  set pkru(value: number) {
    this.#state.pkru = value | 0;
  }

  /** Registers as after a reset: paging is off and linear addresses are physical. The counters go on. */
  reset(): void {
    resetRegisters(this.registers);
    this.#state.pkru = 0;
  }

  /**
   * Guest physical address of the linear address `high:low` (two 32-bit halves), for an access of these kinds
   * (`ACCESS_…` bits; RFLAGS.AC is added here). Sets accessed and dirty flags as the processor does.
   */
  translate(high: number, low: number, access: number): number {
    this.#begin();
    return this.#translate(this.#walker, high, low, access);
  }

  /** A copy of `length` bytes, which may cross pages. */
  read(address: bigint, length: number, access = 0): Uint8Array {
    this.#begin();
    const high = upper(address);
    const low = lower(address);
    if (spansPages(low, length)) this.#check(high, low, length, access);
    const bytes = new Uint8Array(length);
    this.#eachPage(this.#walker, high, low, length, access, (gpa, from, part) =>
      this.#memory.readInto(gpa, bytes.subarray(from, from + part)),
    );
    return bytes;
  }

  /** Writes bytes, which may cross pages: all of them, or none when any page refuses. */
  write(address: bigint, bytes: Uint8Array, access = 0): void {
    this.#begin();
    const high = upper(address);
    const low = lower(address);
    const kind = access | ACCESS_WRITE;
    if (spansPages(low, bytes.length)) this.#check(high, low, bytes.length, kind);
    this.#eachPage(this.#walker, high, low, bytes.length, kind, (gpa, from, part) =>
      this.#memory.write(gpa, bytes.subarray(from, from + part)),
    );
  }

  readU8(address: bigint, access = 0): number {
    return this.#memory.readU8(this.#within(address, 1, access));
  }

  readU16(address: bigint, access = 0): number {
    const gpa = this.#within(address, 2, access);
    return gpa < 0 ? viewOf(this.read(address, 2, access)).getUint16(0, true) : this.#memory.readU16(gpa);
  }

  readU32(address: bigint, access = 0): number {
    const gpa = this.#within(address, 4, access);
    return gpa < 0 ? viewOf(this.read(address, 4, access)).getUint32(0, true) : this.#memory.readU32(gpa);
  }

  readU64(address: bigint, access = 0): bigint {
    const gpa = this.#within(address, 8, access);
    return gpa < 0 ? viewOf(this.read(address, 8, access)).getBigUint64(0, true) : this.#memory.readU64(gpa);
  }

  writeU8(address: bigint, value: number, access = 0): void {
    this.#memory.writeU8(this.#within(address, 1, access | ACCESS_WRITE), value);
  }

  writeU16(address: bigint, value: number, access = 0): void {
    const gpa = this.#within(address, 2, access | ACCESS_WRITE);
    if (gpa < 0) this.write(address, valueBytes(2, BigInt(value)), access);
    else this.#memory.writeU16(gpa, value);
  }

  writeU32(address: bigint, value: number, access = 0): void {
    const gpa = this.#within(address, 4, access | ACCESS_WRITE);
    if (gpa < 0) this.write(address, valueBytes(4, BigInt(value)), access);
    else this.#memory.writeU32(gpa, value);
  }

  writeU64(address: bigint, value: bigint, access = 0): void {
    const gpa = this.#within(address, 8, access | ACCESS_WRITE);
    if (gpa < 0) this.write(address, valueBytes(8, value), access);
    else this.#memory.writeU64(gpa, value);
  }

  /** Guest physical address of an access that stays in one page; -1, with nothing done yet, for one that does not. */
  #within(address: bigint, bytes: number, access: number): number {
    const low = lower(address);
    if (spansPages(low, bytes)) return -1;
    this.#begin();
    return this.#translate(this.#walker, upper(address), low, access);
  }

  #begin(): void {
    this.#execution.mustRun();
    this.accesses++;
  }

  #translate(walker: PageWalker, high: number, low: number, access: number): number {
    if (this.#state.mode !== "long") return this.#untranslated(high, low);
    if (walker.walk(this.#state, high, low, access | this.#state.accessFlags)) return walker.physicalAddress;
    const address = joinAddress(high, low);
    if (walker.fault === FAULT_GENERAL_PROTECTION) throw new GeneralProtectionFault(address);
    this.pageFaults++;
    this.registers.cr2 = address;
    throw new PageFault(address, walker.errorCode);
  }

  #untranslated(high: number, low: number): number {
    if (this.#state.mode === "other")
      throw new StopcodeError(
        "hypervisor/paging-mode",
        "paging is on without PAE and long mode, which is not emulated",
        {
          where: { address: hex(joinAddress(high, low)) },
          hint: "set CR4.PAE and EFER.LME before CR0.PG",
        },
      );
    return (high >>> 0) * 2 ** 32 + (low >>> 0);
  }

  /** Goes over every page of an access without setting a flag, so that a refused one leaves nothing behind. */
  #check(high: number, low: number, length: number, access: number): void {
    this.#eachPage(this.#probe, high, low, length, access, (gpa) => void this.#memory.readU8(gpa));
  }

  /** Cuts an access at page borders and hands out where each part lies. */
  #eachPage(
    walker: PageWalker,
    high: number,
    low: number,
    length: number,
    access: number,
    use: (gpa: number, from: number, part: number) => void,
  ): void {
    for (let from = 0; from < length; ) {
      const part = Math.min(PAGE_SIZE - (low & PAGE_MASK), length - from);
      use(this.#translate(walker, high, low, access), from, part);
      from += part;
      low = (low + part) | 0;
      if (low === 0) high = (high + 1) | 0;
    }
  }
}

function upper(address: bigint): number {
  return Number(BigInt.asIntN(32, address >> 32n));
}

function lower(address: bigint): number {
  return Number(BigInt.asIntN(32, address));
}

function spansPages(low: number, length: number): boolean {
  return (low & PAGE_MASK) + length > PAGE_SIZE;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The lowest `length` bytes of a value, little-endian. */
function valueBytes(length: number, value: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  viewOf(bytes).setBigUint64(0, BigInt.asUintN(64, value), true);
  return bytes.subarray(0, length);
}
