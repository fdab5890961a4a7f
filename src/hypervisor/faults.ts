import { hex } from "../binary/index.ts";

/** #PF: what a guest's access through its own page tables came to. The guest handles it, or stops with it. */
export class PageFault extends Error {
  override readonly name = "PageFault";
  /** The linear address that could not be used, as CR2 has it. */
  readonly address: bigint;
  /** P, W/R, U/S, RSVD, I/D, PK from bit 0 on: the `ERROR_…` bits of the paging room. */
  readonly errorCode: number;

  constructor(address: bigint, errorCode: number) {
    super(`page fault at ${hex(address)}, error code ${hex(errorCode)}`);
    this.address = address;
    this.errorCode = errorCode;
  }
}

/**
 * #GP(0): an address that is not canonical, or a value that a control register or INVPCID does not take. The processor does
 * not say which; CR2 keeps its value.
 */
export class GeneralProtectionFault extends Error {
  override readonly name = "GeneralProtectionFault";
  /** The address, or the value that was to be loaded. */
  readonly address: bigint;
  readonly errorCode = 0;

  /** @param why completes "general protection fault: 0x… " */
  constructor(address: bigint, why = "is not a canonical address") {
    super(`general protection fault: ${hex(address)} ${why}`);
    this.address = address;
  }
}
