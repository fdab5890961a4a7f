import { hex } from "../../binary/index.ts";
import type { PageSharing } from "../sharing/index.ts";
import { standIn } from "../stand-in.ts";
import type { Armed, Strike } from "./occasion.ts";

type Below = (below: number) => number;
type StruckIn = (partition: string, strike: Partial<Strike>) => void;

/** A transfer that has ended is counted down twice, at one of its pages in the owner's books. */
export function pageCountedTwice(sharing: PageSharing, below: Below, struck: StruckIn): Armed {
  return standIn(sharing, "complete", (complete, request) => {
    complete(request);
    const shared = sharing.shared.find(({ owner }) => owner === request.owner);
    if (shared === undefined) return;
    const page = request.pages[below(request.pages.length)]!;
    shared.end(page);
    struck(request.owner.name, { guestPhysicalAddress: hex(page * 4096) });
  });
}

/** The same at a host frame that is still being accessed: its pin goes while a device is at work on it. */
export function frameCountedTwice(sharing: PageSharing, buffer: boolean, below: Below, struck: StruckIn): Armed {
  return standIn(sharing, "complete", (complete, request) => {
    complete(request);
    const { descriptor, owner, requester } = request;
    const frames = buffer ? descriptor.buffer : descriptor.frames;
    const pinned = [...frames.keys()].filter((index) => sharing.pending.of(frames[index]!) > 0);
    if (pinned.length === 0) return;
    const index = pinned[below(pinned.length)]!;
    sharing.pending.end(frames[index]!);
    const page = buffer ? request.bufferPage + index : request.pages[index]!;
    struck((buffer ? requester : owner).name, { guestPhysicalAddress: hex(page * 4096) });
  });
}
