import { layout, text, u16, u32 } from "../../binary/index.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { HIGH_LEVEL } from "../threads/processor.ts";
import { bugCheck } from "./bug-check.ts";

const WHEA_UNCORRECTABLE_ERROR = 0x124;
/** Parameter 1: a machine check exception. */
const MACHINE_CHECK = 0n;

/** IA32_MCi_STATUS of a memory read that was beyond correction: VAL, UC, EN, MISCV, ADDRV, PCC; code 0x9f (Intel SDM volume 3B, 16.9.2). */
const STATUS_HIGH = 0xbe00_0000n;
const STATUS_LOW = 0x0000_009fn;

/** Head of a WHEA_ERROR_RECORD, which is UEFI's common platform error record ("CPER"; UEFI specification, appendix N). */
export const errorRecordHeader = layout("WHEA_ERROR_RECORD_HEADER", 0x80, {
  signature: text(0x00, 4, "CPER"),
  revision: u16(0x04),
  signatureEnd: u32(0x06, "all ones"),
  sectionCount: u16(0x0a),
  severity: u32(0x0c, "1: fatal"),
  validBits: u32(0x10),
  length: u32(0x14, "bytes of the record"),
});

/** A machine check on the first processor, whatever it is at: the kernel has no way on. */
export function machineCheck(kernel: Kernel): never {
  const { memory, images } = kernel;
  const processor = kernel.processors[0]!;
  memory.processor = processor.virtual;
  const thread = processor.current;
  const record = kernel.errorRecord;
  memory.put(errorRecordHeader, record, {
    signature: "CPER",
    revision: 0x210,
    signatureEnd: 0xffff_ffff,
    sectionCount: 1,
    severity: 1,
    length: errorRecordHeader.size,
  });
  const stack = processor.doubleFaultStack;
  thread.trap(images.find("nt!KiMcheckAbort"), { errorCode: 0, address: 0n, rip: thread.rip, stack });
  processor.irql = HIGH_LEVEL;
  for (const name of ["hal!HalpMceHandler", "hal!HalpMcaReportError", "nt!WheaReportHwError", "hal!HalBugCheckSystem"])
    thread.enter(images.find(name), [record]);
  return bugCheck(kernel, thread, WHEA_UNCORRECTABLE_ERROR, [MACHINE_CHECK, record, STATUS_HIGH, STATUS_LOW]);
}
