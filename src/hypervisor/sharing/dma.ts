import { PAGE_SIZE, StopcodeError } from "../../binary/index.ts";
import type { HostMemory } from "../host-memory.ts";
import type { ExclusionVector } from "./exclusion-vector.ts";

/** Blocked transfers that are kept for people to read: the newest. */
export const BLOCKED_TRANSFERS = 256;

/** Where the bytes go: from the requester's buffer to the shared pages, or the other way. */
export type DmaDirection = "to-shared" | "from-shared";

/**
 * `programmed`: not begun. `moving`: some bytes are there. `done`: all are. `blocked`: it met a page that DMA may not touch.
 * `aborted`: stopped by the hypervisor; it moves nothing any more.
 */
export type DmaState = "programmed" | "moving" | "done" | "blocked" | "aborted";

/** A transfer as a device knows it: host frames only, whole pages, one page of the buffer for each that is shared. */
export interface DmaDescriptor {
  readonly device: string;
  /** Host frames of the shared pages, in the order of the transfer. */
  readonly frames: Uint32Array;
  /** Host frames of the requester's buffer. */
  readonly buffer: Uint32Array;
  readonly direction: DmaDirection;
  readonly state: DmaState;
  /** Bytes moved so far. */
  readonly moved: number;
}

export interface BlockedTransfer {
  readonly device: string;
  readonly hostFrame: number;
  readonly direction: DmaDirection;
  /** Bytes that were moved before. */
  readonly moved: number;
}

type DmaOrder = Pick<DmaDescriptor, "device" | "frames" | "buffer" | "direction">;
type Changing<T> = { -readonly [Field in keyof T]: T[Field] };

/**
 * A DMA controller: it moves bytes between host frames, and asks the exclusion vector before each piece of a page, so that a page
 * which is closed in the middle of a transfer is not touched again. It knows of no partition and no guest address:
 * whoever can program the device can program anything, and is stopped here.
 */
export class DmaController {
  readonly #host: HostMemory;
  readonly #exclusion: ExclusionVector;
  readonly #descriptors = new Set<Changing<DmaDescriptor>>();
  readonly #log: BlockedTransfer[] = [];
  #blocked = 0;
  #movedBytes = 0;

  constructor(host: HostMemory, exclusion: ExclusionVector) {
    this.#host = host;
    this.#exclusion = exclusion;
  }

  /** Descriptors that are programmed and not retired, in the order they were programmed. */
  get descriptors(): readonly DmaDescriptor[] {
    return [...this.#descriptors];
  }

  /** Transfers that were stopped at an excluded frame, oldest first; the newest `BLOCKED_TRANSFERS`. */
  get log(): readonly BlockedTransfer[] {
    return this.#log;
  }

  /** All transfers that were ever stopped. */
  get blocked(): number {
    return this.#blocked;
  }

  get movedBytes(): number {
    return this.#movedBytes;
  }

  /** @throws StopcodeError `hypervisor/dma-lengths` unless there is one page of the buffer for each shared page */
  program({ device, frames, buffer, direction }: DmaOrder): DmaDescriptor {
    if (frames.length !== buffer.length)
      throw new StopcodeError(
        "hypervisor/dma-lengths",
        `device ${device} is to move ${frames.length} pages with a buffer of ${buffer.length}`,
      );
    const descriptor = { device, frames, buffer, direction, state: "programmed" as const, moved: 0 };
    this.#descriptors.add(descriptor);
    return descriptor;
  }

  /** Moves on by at most so many bytes and returns how many it moved: fewer at the end, or where a frame is excluded. */
  run(descriptor: DmaDescriptor, bytes: number): number {
    const transfer = descriptor as Changing<DmaDescriptor>;
    if (!this.#descriptors.has(transfer) || (transfer.state !== "programmed" && transfer.state !== "moving")) return 0;
    const begun = transfer.moved;
    const end = Math.min(begun + bytes, transfer.frames.length * PAGE_SIZE);
    while (transfer.moved < end) {
      const excluded = this.#excludedAt(transfer);
      if (excluded >= 0) {
        this.#block(transfer, excluded);
        break;
      }
      this.#movePiece(transfer, end);
    }
    this.#movedBytes += transfer.moved - begun;
    return transfer.moved - begun;
  }

  /** Takes a descriptor away from the device: what it has not moved by now it never moves. */
  retire(descriptor: DmaDescriptor): void {
    const transfer = descriptor as Changing<DmaDescriptor>;
    if (!this.#descriptors.delete(transfer)) return;
    if (transfer.state !== "done") transfer.state = "aborted";
  }

  #movePiece(transfer: Changing<DmaDescriptor>, end: number): void {
    const index = Math.floor(transfer.moved / PAGE_SIZE);
    const offset = transfer.moved % PAGE_SIZE;
    const length = Math.min(PAGE_SIZE - offset, end - transfer.moved);
    const shared = transfer.frames[index]! * PAGE_SIZE + offset;
    const buffer = transfer.buffer[index]! * PAGE_SIZE + offset;
    this.#host.tableWrites.wroteFrame((transfer.direction === "to-shared" ? shared : buffer) >>> 12);
    if (transfer.direction === "to-shared") this.#host.bytes.copyWithin(shared, buffer, buffer + length);
    else this.#host.bytes.copyWithin(buffer, shared, shared + length);
    transfer.moved += length;
    transfer.state = transfer.moved === transfer.frames.length * PAGE_SIZE ? "done" : "moving";
  }

  /** The frame that may not be touched by the next piece; -1 when both may. */
  #excludedAt({ moved, frames, buffer }: DmaDescriptor): number {
    const index = Math.floor(moved / PAGE_SIZE);
    if (this.#exclusion.excludes(frames[index]!)) return frames[index]!;
    return this.#exclusion.excludes(buffer[index]!) ? buffer[index]! : -1;
  }

  #block(transfer: Changing<DmaDescriptor>, hostFrame: number): void {
    transfer.state = "blocked";
    this.#blocked++;
    this.#log.push({ device: transfer.device, hostFrame, direction: transfer.direction, moved: transfer.moved });
    if (this.#log.length > BLOCKED_TRANSFERS) this.#log.shift();
  }
}
