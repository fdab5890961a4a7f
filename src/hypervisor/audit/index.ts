export { auditState } from "./audit-state.ts";
export { type AuditReport, CORRUPTION_KINDS, type Corruption, type CorruptionKind, type Unchecked } from "./report.ts";
