import type { PartitionState } from "../state/index.ts";

/** Guest frames that a partition's physical space can have (frame-map.ts). */
const GUEST_FRAMES = 2 ** 20;

/** A partition's map from its runs: by guest frame, host frame above bit 12 and rights below; 0 for a hole. */
export function mapOf({ map }: PartitionState): Int32Array {
  const entries = new Int32Array(GUEST_FRAMES);
  for (const { guestFrame, hostFrame, count, rights } of map)
    for (let frame = 0; frame < count; frame++) entries[guestFrame + frame] = ((hostFrame + frame) << 12) | rights;
  return entries;
}
