import { StopcodeError } from "../binary/index.ts";
import type { GuestPhysicalMemory } from "./guest-memory.ts";

/** Control bits of the crash registers, MSR 0x40000105 (Hypervisor Top-Level Functional Specification; systems.md 2.3). */
export const CRASH_NOTIFY = 1n << 63n;
/** P3 is the guest physical address of a text, P4 its length in bytes. */
export const CRASH_MESSAGE = 1n << 62n;
/** The guest will not write a dump of its own. */
export const CRASH_NO_DUMP = 1n << 61n;

const MESSAGE_BYTES = 4096n;

/** What a guest said when it stopped. */
export interface CrashNotification {
  /** P0 to P4, by convention of Windows the stop code and its four parameters. */
  readonly parameters: readonly [bigint, bigint, bigint, bigint, bigint];
  readonly control: bigint;
  /** The text, where control announced one and its address could be read; at most 4096 bytes of it. */
  readonly message: string | null;
}

/** The five parameter registers P0 to P4 and the control register, MSRs 0x40000100 to 0x40000105. */
export class CrashRegisters {
  readonly #parameters: [bigint, bigint, bigint, bigint, bigint] = [0n, 0n, 0n, 0n, 0n];
  #notification: CrashNotification | null = null;

  /** Null before a notification; a partition that has notified executes no further write. */
  get notification(): CrashNotification | null {
    return this.#notification;
  }

  /** @throws StopcodeError `hypervisor/crash-parameter` for an index that is not 0 to 4 */
  writeParameter(index: number, value: bigint): void {
    if (!Number.isInteger(index) || index < 0 || index >= this.#parameters.length)
      throw new StopcodeError("hypervisor/crash-parameter", `there are crash parameters 0 to 4, not ${index}`);
    this.#parameters[index] = BigInt.asUintN(64, value);
  }

  /** @returns whether this write notified; one without the notify bit does nothing */
  writeControl(value: bigint, memory: GuestPhysicalMemory): boolean {
    if ((value & CRASH_NOTIFY) === 0n) return false;
    this.#notification = {
      parameters: [...this.#parameters],
      control: BigInt.asUintN(64, value),
      message: (value & CRASH_MESSAGE) === 0n ? null : readMessage(memory, this.#parameters[3], this.#parameters[4]),
    };
    return true;
  }

  reset(): void {
    this.#parameters.fill(0n);
    this.#notification = null;
  }
}

function readMessage(memory: GuestPhysicalMemory, gpa: bigint, length: bigint): string | null {
  const bytes = Number(length < MESSAGE_BYTES ? length : MESSAGE_BYTES);
  try {
    return new TextDecoder().decode(memory.read(Number(gpa), bytes));
  } catch (error) {
    // A crashing guest may name an address it does not have; the notification counts without the text.
    if (error instanceof StopcodeError) return null;
    throw error;
  }
}
