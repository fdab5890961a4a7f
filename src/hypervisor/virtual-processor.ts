import { hex, joinAddress, PAGE_SIZE, StopcodeError } from "../binary/index.ts";
import { ACCESS_FETCH, ACCESS_WRITE, CR4_PCIDE, FAULT_GENERAL_PROTECTION } from "../paging/index.ts";
import { checkCr0, checkCr3, checkCr4, checkInvpcid, isCanonical } from "./control-rules.ts";
import { GeneralProtectionFault, PageFault } from "./faults.ts";
import {
  HOLE,
  MAP_BYTES,
  MAP_EXECUTE,
  MAP_FRAME,
  MAP_READ,
  MAP_WRITE,
  MAX_PHYSICAL_ADDRESS_BITS,
} from "./frame-map.ts";
import { type GuestPhysicalMemory, unmapped } from "./guest-memory.ts";
import type { HostMemory } from "./host-memory.ts";
import { addressingState, type RegisterFile, registerFile, resetRegisters } from "./register-file.ts";
import { createEngine } from "./translation/create-engine.ts";
import { type EngineKind, REFUSED_BY_GUEST_MAP, type TranslationEngine } from "./translation/engine.ts";
import type { FlushedProcessor } from "./translation/processor-flushes.ts";
import type { ShadowPageTables } from "./translation/shadow/index.ts";
import { WalkEngine } from "./translation/walk-engine.ts";

const PAGE_MASK = PAGE_SIZE - 1;

/** What a processor asks of the partition it belongs to. */
export interface Execution {
  readonly memory: GuestPhysicalMemory;
  readonly engine: EngineKind;
  /** Where the engine is `shadow`. */
  readonly shadowTables: ShadowPageTables | null;
  /** @throws StopcodeError `hypervisor/not-running` */
  mustRun(): void;
}

/**
 * A partition's processor: registers, and accesses by linear address through the guest's own page tables.
 *
 * In a partition that does not run, every access throws StopcodeError `hypervisor/not-running` and nothing happens. An
 * access that the page tables refuse throws PageFault (CR2 is set) or GeneralProtectionFault, and has then changed neither
 * memory nor flags; one that they send to a guest physical address without memory throws StopcodeError
 * `hypervisor/unmapped-gpa`, to one that the partition's map does not allow it, `hypervisor/map-rights`.
 *
 * Assigning a control register in `registers` loads it, whatever the value, as its host may; the guest's instructions
 * are the methods below, with the processor's checks.
 */
export class VirtualProcessor implements FlushedProcessor {
  readonly index: number;
  readonly registers: RegisterFile;
  /** Accesses begun since the processor was made, allowed or refused; a processor that does not run begins none. */
  accesses = 0;
  /** Page faults that were handed to the guest. */
  pageFaults = 0;

  readonly #execution: Execution;
  readonly #memory: GuestPhysicalMemory;
  readonly #host: HostMemory;
  readonly #state = addressingState();
  readonly #engine: TranslationEngine;
  /** Goes ahead over an access that crosses pages, and sets no flags. */
  readonly #probe: WalkEngine;
  #addresses = new Int32Array(0);
  /** The CR3 that is being loaded leaves its translations in place. */
  #keep = false;

  constructor(index: number, execution: Execution, host: HostMemory) {
    this.index = index;
    this.#execution = execution;
    this.#memory = execution.memory;
    this.#host = host;
    const state = this.#state;
    const tables = execution.shadowTables;
    const place = tables === null ? {} : { shadow: { tables, processor: index } };
    this.#engine = createEngine(execution.engine, { memory: this.#memory, state, ...place });
    this.#probe = new WalkEngine({
      frames: this.#memory,
      state,
      maxPhysicalAddressBits: MAX_PHYSICAL_ADDRESS_BITS,
      setFlags: false,
    });
    this.registers = registerFile(state, (previous) => {
      this.#engine.controlChanged(previous, this.#keep);
      this.#probe.controlChanged();
    });
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

  /** MOV CR0. @throws GeneralProtectionFault for a value that the processor, as its other registers stand, does not take */
  writeCr0(value: bigint): void {
    this.#execution.mustRun();
    checkCr0(this.#state, value);
    this.registers.cr0 = value;
  }

  /** MOV CR4. @throws GeneralProtectionFault as `writeCr0` */
  writeCr4(value: bigint): void {
    this.#execution.mustRun();
    checkCr4(this.#state, value);
    this.registers.cr4 = value;
  }

  /** MOV CR3; bit 63, under CR4.PCIDE, keeps all translations. @throws GeneralProtectionFault as `writeCr0` */
  moveToCr3(value: bigint): void {
    this.#execution.mustRun();
    checkCr3(this.#state, value);
    this.#loadCr3(value, value >> 63n !== 0n);
  }

  /** The hypercall that changes the address space without the flush that MOV CR3 has (systems.md 1.4/8). */
  switchAddressSpace(value: bigint): void {
    this.#execution.mustRun();
    checkCr3(this.#state, value);
    this.#loadCr3(value, true);
  }

  /** INVLPG. An address that is not canonical has no translations: nothing happens. */
  invlpg(address: bigint): void {
    this.#execution.mustRun();
    if (isCanonical(this.#state, address)) this.#engine.invalidatePage(upper(address), lower(address));
  }

  /** INVPCID with the two words of its descriptor. @throws GeneralProtectionFault for a type or descriptor that is none */
  invpcid(type: number, pcid: number, address: bigint): void {
    this.#execution.mustRun();
    checkInvpcid(this.#state, type, pcid, address);
    this.#engine.invalidatePcid(type as 0 | 1 | 2 | 3, pcid, upper(address), lower(address));
  }

  forgetSpace(addressSpace: bigint | null): void {
    if (addressSpace === null) this.#engine.invalidatePcid(2, 0, 0, 0);
    else this.#engine.invalidatePcid(1, this.#pcidOf(addressSpace), 0, 0);
  }

  forgetPages(addressSpace: bigint | null, start: bigint, pages: number): void {
    // Of several identifiers, INVLPG takes directory entries of the current one only.
    if (addressSpace === null && (this.#state.cr4 & CR4_PCIDE) !== 0) {
      this.forgetSpace(null);
      return;
    }
    const pcid = addressSpace === null ? 0 : this.#pcidOf(addressSpace);
    for (let page = 0; page < pages; page++) {
      const address = start + BigInt(page * PAGE_SIZE);
      if (isCanonical(this.#state, address)) this.#engine.invalidatePcid(0, pcid, upper(address), lower(address));
    }
  }

  guestMapChanged(firstPage: number, pageCount: number): void {
    this.#engine.guestMapChanged(firstPage, pageCount);
    this.#probe.guestMapChanged();
  }

  synchronizeFlags(): void {
    this.#engine.synchronizeFlags();
  }

  /** How its addresses are translated: for whoever looks into it from outside, which changes nothing. */
  get translation(): TranslationEngine {
    return this.#engine;
  }

  /** What the engine of translations counts. */
  translationCounters(): Readonly<Record<string, number>> {
    return this.#engine.counters();
  }

  /**
   * System physical address of the linear address `high:low` (two 32-bit halves), for an access of these kinds
   * (`ACCESS_…` bits; RFLAGS.AC is added here). Sets accessed and dirty flags as the processor does.
   */
  translate(high: number, low: number, access: number): number {
    this.#begin();
    return this.#translate(this.#engine, high, low, access);
  }

  /** A copy of `length` bytes, which may cross pages. */
  read(address: bigint, length: number, access = 0): Uint8Array {
    this.#begin();
    const high = upper(address);
    const low = lower(address);
    if (spansPages(low, length)) this.#check(high, low, length, access);
    const bytes = new Uint8Array(length);
    this.#eachPage(this.#engine, high, low, length, access, (at, from, part) =>
      bytes.set(this.#host.bytes.subarray(at, at + part), from),
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
    this.#eachPage(this.#engine, high, low, bytes.length, kind, (at, from, part) => {
      this.#host.tableWrites.wroteFrame(at >>> 12);
      this.#host.bytes.set(bytes.subarray(from, from + part), at);
    });
  }

  readU8(address: bigint, access = 0): number {
    return this.#host.bytes[this.#within(address, 1, access)]!;
  }

  readU16(address: bigint, access = 0): number {
    const at = this.#within(address, 2, access);
    return at < 0 ? viewOf(this.read(address, 2, access)).getUint16(0, true) : this.#host.view.getUint16(at, true);
  }

  readU32(address: bigint, access = 0): number {
    const at = this.#within(address, 4, access);
    return at < 0 ? viewOf(this.read(address, 4, access)).getUint32(0, true) : this.#host.view.getUint32(at, true);
  }

  readU64(address: bigint, access = 0): bigint {
    const at = this.#within(address, 8, access);
    return at < 0
      ? viewOf(this.read(address, 8, access)).getBigUint64(0, true)
      : this.#host.view.getBigUint64(at, true);
  }

  writeU8(address: bigint, value: number, access = 0): void {
    this.#host.bytes[this.#within(address, 1, access | ACCESS_WRITE)] = value;
  }

  writeU16(address: bigint, value: number, access = 0): void {
    const at = this.#within(address, 2, access | ACCESS_WRITE);
    if (at < 0) this.write(address, valueBytes(2, BigInt(value)), access);
    else this.#host.view.setUint16(at, value, true);
  }

  writeU32(address: bigint, value: number, access = 0): void {
    const at = this.#within(address, 4, access | ACCESS_WRITE);
    if (at < 0) this.write(address, valueBytes(4, BigInt(value)), access);
    else this.#host.view.setUint32(at, value, true);
  }

  writeU64(address: bigint, value: bigint, access = 0): void {
    const at = this.#within(address, 8, access | ACCESS_WRITE);
    if (at < 0) this.write(address, valueBytes(8, value), access);
    else this.#host.view.setBigUint64(at, value, true);
  }

  /**
   * Reads the 32-bit words at `count` linear addresses with the same upper half, an access each. All are translated first, in
   * order; where one is refused, this throws as `readU32` does, and those before it have been read.
   * @param lows lower halves of the addresses, multiples of 4
   */
  readWords(high: number, lows: Int32Array, count: number, words: Int32Array, access = 0): void {
    const done = this.#locateWords(high, lows, count, access);
    const addresses = this.#addresses;
    const memory = this.#host.words;
    for (let index = 0; index < done; index++) words[index] = memory[addresses[index]! >>> 2]!;
    if (done < count) this.#refuse(this.#engine, high, lows[done]!);
  }

  /** Writes words, otherwise as `readWords`; where two addresses are the same, the later word stays. */
  writeWords(high: number, lows: Int32Array, count: number, words: Int32Array, access = 0): void {
    const done = this.#locateWords(high, lows, count, access | ACCESS_WRITE);
    const addresses = this.#addresses;
    const memory = this.#host.words;
    for (let index = 0; index < done; index++) memory[addresses[index]! >>> 2] = words[index]!;
    if (done < count) this.#refuse(this.#engine, high, lows[done]!);
  }

  /** Where words lie, in `#addresses`; fewer than `count` where the next one is refused. */
  #locateWords(high: number, lows: Int32Array, count: number, access: number): number {
    this.#execution.mustRun();
    if (this.#addresses.length < count) this.#addresses = new Int32Array(count);
    const addresses = this.#addresses;
    let done = 0;
    if (this.#state.mode === "long")
      done = this.#engine.translateRun(high, lows, 0, count, access | this.#state.accessFlags, addresses);
    else for (; done < count; done++) addresses[done] = this.#untranslated(high, lows[done]!, access);
    this.accesses += Math.min(done + 1, count);
    return done;
  }

  #pcidOf(addressSpace: bigint): number {
    return (this.#state.cr4 & CR4_PCIDE) !== 0 ? Number(addressSpace & 0xfffn) : 0;
  }

  #loadCr3(value: bigint, keep: boolean): void {
    this.#keep = keep;
    this.registers.cr3 = BigInt.asUintN(63, value);
    this.#keep = false;
  }

  /** System physical address of an access that stays in one page; -1, with nothing done yet, for one that does not. */
  #within(address: bigint, bytes: number, access: number): number {
    const low = lower(address);
    if (spansPages(low, bytes)) return -1;
    this.#begin();
    return this.#translate(this.#engine, upper(address), low, access);
  }

  #begin(): void {
    this.#execution.mustRun();
    this.accesses++;
  }

  #translate(engine: TranslationEngine, high: number, low: number, access: number): number {
    if (this.#state.mode !== "long") return this.#untranslated(high, low, access);
    const at = engine.translate(high, low, access | this.#state.accessFlags);
    return at < 0 ? this.#refuse(engine, high, low) : at;
  }

  #refuse(engine: TranslationEngine, high: number, low: number): never {
    if (engine.refusal === REFUSED_BY_GUEST_MAP) throw this.#refusedByMap(engine.guestPhysicalAddress);
    const address = joinAddress(high, low);
    if (engine.refusal === FAULT_GENERAL_PROTECTION) throw new GeneralProtectionFault(address);
    // A fault drops what was cached of its address; the probe has no say over the engine's cache.
    if (engine === this.#probe) this.#engine.invalidatePage(high, low);
    this.pageFaults++;
    this.registers.cr2 = address;
    throw new PageFault(address, engine.errorCode);
  }

  #refusedByMap(gpa: number): StopcodeError {
    if (this.#memory.hostFrame(Math.floor(gpa / PAGE_SIZE)) === null) return unmapped(gpa);
    return new StopcodeError("hypervisor/map-rights", `the partition's map does not allow this access to ${hex(gpa)}`, {
      where: { address: hex(gpa) },
    });
  }

  /** Without paging, a linear address is a guest physical one. */
  #untranslated(high: number, low: number, access: number): number {
    if (this.#state.mode === "other")
      throw new StopcodeError(
        "hypervisor/paging-mode",
        "paging is on without PAE and long mode, which is not emulated",
        {
          where: { address: hex(joinAddress(high, low)) },
          hint: "set CR4.PAE and EFER.LME before CR0.PG",
        },
      );
    const gpa = (high >>> 0) * 2 ** 32 + (low >>> 0);
    const mapped = gpa < MAP_BYTES ? this.#memory.map[gpa >>> 12]! : HOLE;
    const right = (access & ACCESS_FETCH) !== 0 ? MAP_EXECUTE : (access & ACCESS_WRITE) !== 0 ? MAP_WRITE : MAP_READ;
    if ((mapped & right) === 0) throw this.#refusedByMap(gpa);
    const at = ((mapped & MAP_FRAME) | (low & PAGE_MASK)) >>> 0;
    if (right === MAP_WRITE) this.#host.tableWrites.wrote(at);
    return at;
  }

  /** Goes over every page of an access without setting a flag, so that a refused one leaves nothing behind. */
  #check(high: number, low: number, length: number, access: number): void {
    this.#eachPage(this.#probe, high, low, length, access, () => {});
  }

  /** Cuts an access at page borders and hands out where each part lies. */
  #eachPage(
    engine: TranslationEngine,
    high: number,
    low: number,
    length: number,
    access: number,
    use: (at: number, from: number, part: number) => void,
  ): void {
    for (let from = 0; from < length; ) {
      const part = Math.min(PAGE_SIZE - (low & PAGE_MASK), length - from);
      use(this.#translate(engine, high, low, access), from, part);
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
