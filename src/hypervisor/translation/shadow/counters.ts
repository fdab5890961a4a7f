/**
 * What one processor's translation did, by the names that a shipped hypervisor counts under (systems.md 1.2). Every one of
 * them is an event of this processor; the partition's own figures are `ShadowPageTables.counters()`.
 */
export interface ShadowCounters {
  /** Misses of the shadow tables, hidden from the guest or not. */
  pageFaultIntercepts: number;
  reflectedGuestPageFaults: number;
  smallPageTlbFills: number;
  largePageTlbFills: number;
  /** Of the small fills, those of neighbours of the page that was touched. */
  populatedAhead: number;
  pageTableAllocations: number;
  addressSpaceSwitches: number;
  addressSpaceEvictions: number;
  /** Flushes of everything. */
  addressDomainFlushes: number;
  addressSpaceFlushes: number;
  /** Ranges flushed in all address spaces, and in one. */
  globalGvaRangeFlushes: number;
  localGvaRangeFlushes: number;
  pageTableEvictions: number;
  /** Shadow pages that nothing led to any more. */
  pageTableReclamations: number;
  pageTableResets: number;
  /** Shadow pages compared with their guest table after a flush. */
  pageTableValidations: number;
  /** Accesses to a guest table whose lazy flags had to be written first. */
  pageTableAccessIntercepts: number;
}

export function shadowCounters(): ShadowCounters {
  return {
    pageFaultIntercepts: 0,
    reflectedGuestPageFaults: 0,
    smallPageTlbFills: 0,
    largePageTlbFills: 0,
    populatedAhead: 0,
    pageTableAllocations: 0,
    addressSpaceSwitches: 0,
    addressSpaceEvictions: 0,
    addressDomainFlushes: 0,
    addressSpaceFlushes: 0,
    globalGvaRangeFlushes: 0,
    localGvaRangeFlushes: 0,
    pageTableEvictions: 0,
    pageTableReclamations: 0,
    pageTableResets: 0,
    pageTableValidations: 0,
    pageTableAccessIntercepts: 0,
  };
}
