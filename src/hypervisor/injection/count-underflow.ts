import type { PageSharing } from "../sharing/index.ts";
import { type Armed, standIn } from "./occasion.ts";

type Below = (below: number) => number;

/** A transfer that has ended is counted down twice, at one of its pages in the owner's books. */
export function pageCountedTwice(sharing: PageSharing, below: Below, struck: (partition: string) => void): Armed {
  return standIn(sharing, "complete", (complete, request) => {
    complete(request);
    const shared = sharing.shared.find(({ owner }) => owner === request.owner);
    if (shared === undefined) return;
    shared.end(request.pages[below(request.pages.length)]!);
    struck(request.owner.name);
  });
}

/** The same at a host frame that is still being accessed: its pin goes while a device is at work on it. */
export function frameCountedTwice(
  sharing: PageSharing,
  buffer: boolean,
  below: Below,
  struck: (partition: string) => void,
): Armed {
  return standIn(sharing, "complete", (complete, request) => {
    complete(request);
    const { descriptor, owner, requester } = request;
    const pinned = [...(buffer ? descriptor.buffer : descriptor.frames)].filter(
      (frame) => sharing.pending.of(frame) > 0,
    );
    if (pinned.length === 0) return;
    sharing.pending.end(pinned[below(pinned.length)]!);
    struck((buffer ? requester : owner).name);
  });
}
