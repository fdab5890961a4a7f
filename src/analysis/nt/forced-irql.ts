import { hex } from "../../binary/index.ts";
import { FORCED_IRQL_EXPORT, FORCED_IRQL_PROCESSORS, forcedIrql } from "../../dumpfile/index.ts";
import type { Kernel } from "./kernel.ts";
import { kernelExport } from "./kernel-exports.ts";
import type { Modules } from "./modules.ts";

/** What forced IRQL checking recorded; null where it was not armed, or no checked driver has raised IRQL yet. */
export function forcedIrqlFact({ memory, header }: Kernel, modules: Modules) {
  const at = kernelExport(modules, FORCED_IRQL_EXPORT);
  const bytes = at === null ? null : memory.read(at, forcedIrql.size);
  if (!bytes) return null;
  const { raises, pages, pageableStart, pageableEnd, raisedAt } = forcedIrql.read(bytes);
  if (raises === 0n) return null;
  const places = new DataView(raisedAt.buffer, raisedAt.byteOffset, raisedAt.byteLength);
  const processors = Math.min(header.processors, FORCED_IRQL_PROCESSORS);
  return {
    raises: Number(raises),
    pages: Number(pages),
    pageableStart: hex(pageableStart),
    pageableEnd: hex(pageableEnd),
    raisedAt: Array.from({ length: processors }, (_, index) => hex(places.getBigUint64(8 * index, true))),
  };
}
