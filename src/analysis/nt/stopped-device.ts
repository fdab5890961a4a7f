import { hex, PAGE_SIZE } from "../../binary/index.ts";
import { DMA_REMAPPING_EXPORT, dmaMapping, dmaRemapping, type KernelCheck } from "../../dumpfile/index.ts";
import type { Facts } from "../facts.ts";
import { driverOf } from "./io-objects.ts";
import type { Kernel } from "./kernel.ts";
import { kernelExport } from "./kernel-exports.ts";
import type { Modules } from "./modules.ts";
import { callerFact } from "./pointed-records.ts";

type DeviceFact = NonNullable<NonNullable<Facts["crash"]>["device"]>;
type DmaFact = NonNullable<NonNullable<Facts["checks"]>["dma"]>;

const DRIVER_VERIFIER_DMA_VIOLATION = 0xe6;
const STOPPED_BY_IOMMU = 0x26n;
const UNMAPPED = 2;
const MOST_MAPPINGS = 1 << 20;

/** The device that the IOMMU has stopped (0xE6 with 0x26) and what it wanted; null for other stops. */
export function stoppedDevice({ stopCode, memory, arch }: Kernel, modules: Modules): DeviceFact | null {
  if (stopCode?.code !== DRIVER_VERIFIER_DMA_VIOLATION || arch === "x86") return null;
  const [violation, device, wanted] = stopCode.parameters;
  if (violation !== STOPPED_BY_IOMMU) return null;
  return { address: hex(device), driver: driverOf(memory, modules, device), wanted: hex(wanted) };
}

/** What DMA remapping had recorded of the page that the stopped device wanted; null where the page had never been mapped for it. */
export function dmaFact(kernel: Kernel, modules: Modules, armed: readonly KernelCheck[]): DmaFact | null {
  const { stopCode, memory } = kernel;
  if (stopCode?.code !== DRIVER_VERIFIER_DMA_VIOLATION || !armed.includes("dma-remapping")) return null;
  const [violation, device, wanted] = stopCode.parameters;
  const at = violation === STOPPED_BY_IOMMU ? kernelExport(modules, DMA_REMAPPING_EXPORT) : null;
  const block = at === null ? null : memory.read(at, dmaRemapping.size);
  if (!block) return null;
  const { mappings, capacity } = dmaRemapping.read(block);
  const table = memory.read(mappings, Math.min(capacity, MOST_MAPPINGS) * dmaMapping.size);
  const frame = Number(wanted / BigInt(PAGE_SIZE));
  for (let offset = 0; table !== null && offset < table.length; offset += dmaMapping.size) {
    const mapping = dmaMapping.read(table, offset);
    if (mapping.device !== device || mapping.frame !== frame || mapping.state !== UNMAPPED) continue;
    return { mappedBy: callerFact(mapping.mappedBy, modules), unmappedBy: callerFact(mapping.unmappedBy, modules) };
  }
  return null;
}
