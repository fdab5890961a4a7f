export {
  BLOCKED_TRANSFERS,
  type BlockedTransfer,
  type DmaController,
  type DmaDescriptor,
  type DmaDirection,
  type DmaState,
} from "./dma.ts";
export type { SharingMemory, SharingPartition } from "./guest-pages.ts";
export {
  PageSharing,
  type RefusalStatus,
  type SharingAnswer,
  type SharingOrder,
  type SharingRefusal,
  type SharingRequest,
} from "./page-sharing.ts";
export type { SharedPageRef, SharingFault, SharingReport, TransferInFlight } from "./sharing-report.ts";
