import type { PhysicalMemory } from "../../binary/index.ts";
import type { HypervisorState } from "../state/index.ts";
import { FlushAudit } from "./flush-audit.ts";
import { mapOf } from "./guest-map.ts";
import { GuestWords } from "./guest-words.ts";
import { type AuditReport, Findings } from "./report.ts";
import { ShadowAudit } from "./shadow-audit.ts";
import { ShadowRows } from "./shadow-rows.ts";
import { auditSharing } from "./sharing-audit.ts";
import { StructureAudit } from "./structure-audit.ts";
import { mappedOften, singleWrites, TableTimes } from "./table-times.ts";
import { TlbAudit } from "./tlb-audit.ts";

/**
 * Whether what the hypervisor has of its guests agrees with what they say themselves. The same for a running machine and
 * for the region that one left behind when it died.
 * @param memory the machine's, by system physical address; where a guest's table cannot be read, the report says so
 */
export function auditState(state: HypervisorState, memory: PhysicalMemory): AuditReport {
  const findings = new Findings();
  const maps = state.partitions.map(mapOf);
  const mapped = mappedOften(state);
  const single = singleWrites(state);
  findings.checked.partitions = state.partitions.length;
  const { omitted } = state;
  if (omitted.length > 0) findings.skip("sections that found no room in the crash region", omitted.length);
  const machineIsWhole = !omitted.some(({ partition, section }) => partition === null || section === "map");
  state.partitions.forEach((partition, number) => {
    if (!machineIsWhole || omitted.some((section) => section.partition === number)) return;
    const map = maps[number]!;
    const guest = new GuestWords(map, memory);
    const times = new TableTimes(partition, single, state.forgottenUpTo, mapped);
    const rows = new ShadowRows(partition);
    new ShadowAudit(rows, map, guest, times, findings).run();
    new StructureAudit(rows, findings).run();
    new FlushAudit(rows, findings).run();
    new TlbAudit(partition, map, guest, times, findings).run();
  });
  if (machineIsWhole) auditSharing(state, maps, findings);
  return findings.report();
}
