import type { PhysicalMemory } from "../../binary/index.ts";
import type { HypervisorState } from "../state/index.ts";
import { mapOf } from "./guest-map.ts";
import { type AuditReport, Findings } from "./report.ts";
import { auditSharing } from "./sharing-audit.ts";

/**
 * Whether what the hypervisor has of its guests agrees with what they say themselves. The same for a running machine and
 * for the region that one left behind when it died.
 * @param memory the machine's, by system physical address; where a guest's table cannot be read, the report says so
 */
export function auditState(state: HypervisorState, _memory: PhysicalMemory): AuditReport {
  const findings = new Findings();
  const maps = state.partitions.map(mapOf);
  findings.checked.partitions = state.partitions.length;
  if (state.omitted > 0) findings.skip("sections that found no room in the crash region", state.omitted);
  auditSharing(state, maps, findings);
  return findings.report();
}
