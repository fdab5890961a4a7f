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

/** #GP(0): the address is not canonical. The processor does not say which address it was; CR2 keeps its value. */
export class GeneralProtectionFault extends Error {
  override readonly name = "GeneralProtectionFault";
  readonly address: bigint;
  readonly errorCode = 0;

  constructor(address: bigint) {
    super(`general protection fault: ${hex(address)} is not a canonical address`);
    this.address = address;
  }
}
