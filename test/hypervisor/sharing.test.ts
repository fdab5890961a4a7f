import { beforeEach, describe, expect, it, vi } from "vitest";
import { MAP_EXECUTE, MAP_READ } from "../../src/hypervisor/frame-map.ts";
import { HostMemory } from "../../src/hypervisor/host-memory.ts";
import { Partition } from "../../src/hypervisor/partition.ts";
import {
  BLOCKED_TRANSFERS,
  PageSharing,
  type SharingOrder,
  type SharingRefusal,
  type SharingRequest,
} from "../../src/hypervisor/sharing/index.ts";
import { PlainMemory, type PlainPartition } from "./sharing-partition.ts";

/** The owner's temporary range: four slots, beyond its eight pages. */
const RANGE = 10;
const SLOTS = 4;

let host: HostMemory;
let sharing: PageSharing;
let web: PlainPartition;
let disk: PlainPartition;
let backup: PlainPartition;

beforeEach(() => {
  host = new HostMemory(64 * 4096);
  // Frames that others took before: guest frame and host frame are never the same number.
  host.allocate(5);
  sharing = new PageSharing(host);
  const partition = (name: string): PlainPartition => ({ name, memory: new PlainMemory(host, 8, 16) });
  web = partition("web");
  disk = partition("disk");
  backup = partition("backup");
  sharing.setAside(web, RANGE, SLOTS);
  for (const open of [web, disk, backup]) sharing.allowDma(open, 0, 8);
});

const order = (pages: number[], more: Partial<SharingOrder> = {}): SharingOrder => ({
  owner: web,
  pages,
  requester: disk,
  bufferPage: 0,
  device: "sata0",
  direction: "to-shared",
  ...more,
});

function granted(pages: number[], more: Partial<SharingOrder> = {}): SharingRequest {
  const answer = sharing.request(order(pages, more));
  if (answer.status !== "success") throw new Error(`refused: ${JSON.stringify(answer)}`);
  return answer.request;
}

const frame = (partition: PlainPartition, page: number) => partition.memory.hostFrame(page)!;
const bytesOf = (partition: PlainPartition, page: number) =>
  host.bytes.subarray(frame(partition, page) * 4096, (frame(partition, page) + 1) * 4096);
const count = (partition: PlainPartition, page: number) => sharing.pending.of(frame(partition, page));
const finish = (request: SharingRequest) => sharing.dma.run(request.descriptor, 8 * 4096);
const refuses = (code: string) => expect.objectContaining({ code });

describe("page sharing 3.4/1: a request of k pages to a range of N", () => {
  it.each([1, 3, SLOTS])("maps %d host frames into as many slots, readable and writable, not executable", (k) => {
    granted(Array.from({ length: k }, (_, i) => 7 - i));
    const slots = Array.from({ length: SLOTS }, (_, i) => web.memory.map[RANGE + i]!);
    expect(slots.slice(0, k).map((entry) => entry >>> 12)).toEqual(
      Array.from({ length: k }, (_, i) => frame(web, 7 - i)),
    );
    expect(slots.slice(0, k).every((entry) => (entry & 7) === 3)).toBe(true);
    expect(slots.slice(k).every((entry) => entry === 0)).toBe(true);
  });

  it("a page that is asked for twice has one slot", () => {
    granted([2, 2]);
    granted([2]);
    expect(web.memory.lent).toEqual([RANGE]);
    expect(count(web, 2)).toBe(3);
  });
});

describe("page sharing 3.4/2: the count is raised", () => {
  it("before the exclusion vector is asked, before the mapping is made and before DMA is programmed", () => {
    const seen: string[] = [];
    const tell = (what: string) =>
      seen.push(`${what}: count ${count(web, 3)}, ${sharing.dma.descriptors.length} programmed`);
    const { excludes } = sharing.exclusion;
    vi.spyOn(sharing.exclusion, "excludes").mockImplementation((asked) => {
      if (asked === frame(web, 3)) tell("verify");
      return excludes.call(sharing.exclusion, asked);
    });
    const { mapFrame } = web.memory;
    vi.spyOn(web.memory, "mapFrame").mockImplementation((...mapped) => {
      tell("map");
      mapFrame.apply(web.memory, mapped);
    });
    const { program } = sharing.dma;
    vi.spyOn(sharing.dma, "program").mockImplementation((programmed) => {
      tell(`program with ${web.memory.lent.length} mapped`);
      return program.call(sharing.dma, programmed);
    });
    granted([3]);
    expect(seen).toEqual([
      "verify: count 1, 0 programmed",
      "map: count 1, 0 programmed",
      "program with 1 mapped: count 1, 0 programmed",
    ]);
  });
});

/** Everything that a refused request may not change. */
const state = () => ({
  map: [...web.memory.map],
  told: [...web.memory.told],
  pending: sharing.pending.frames(),
  open: Array.from({ length: host.frames }, (_, each) => sharing.exclusion.excludes(each)),
  descriptors: sharing.dma.descriptors.length,
  pages: sharing.report(),
});

function refusedUnchanged(asked: SharingOrder): SharingRefusal {
  const before = state();
  const answer = sharing.request(asked);
  expect(state()).toEqual(before);
  if (answer.status === "success") throw new Error("it was granted");
  return answer;
}

describe("page sharing 3.4/3: a mapping that is not valid", () => {
  it.each([
    ["a hole", 4],
    ["beyond the guest's space", 99],
    ["below it", -1],
    ["no whole number", 1.5],
    ["no number", Number.NaN],
    ["a slot of the temporary range, which is not the owner's to share", RANGE],
  ])("refuses the request, maps nothing and leaves the counts: %s", (_, page) => {
    granted([5]);
    web.memory.change(sharing, web, 4, "hole");
    expect(refusedUnchanged(order([5, 6, page]))).toEqual({ status: "invalid-mapping", partition: "web", page });
  });

  it("of the requester's buffer likewise", () => {
    disk.memory.change(sharing, disk, 1, "hole");
    const refusal = { status: "invalid-mapping", partition: "disk" };
    expect(refusedUnchanged(order([5, 6]))).toEqual({ ...refusal, page: 1 });
    expect(refusedUnchanged(order([5, 6], { bufferPage: 7 }))).toEqual({ ...refusal, page: 8 });
  });

  it("a page that its owner may only read is not written by a device for it, but read", () => {
    web.memory.protect(6, MAP_READ | MAP_EXECUTE);
    const refusal = { status: "access-denied", partition: "web", page: 6 };
    expect(refusedUnchanged(order([5, 6]))).toEqual(refusal);
    granted([6], { direction: "from-shared" });
    expect(web.memory.map[RANGE]! & 7).toBe(MAP_READ);
    disk.memory.protect(0, MAP_READ);
    expect(refusedUnchanged(order([5], { direction: "from-shared" }))).toMatchObject({ partition: "disk", page: 0 });
  });
});

describe("page sharing 3.4/4: a page that the exclusion vector forbids", () => {
  it("refuses the request, maps nothing and leaves the counts", () => {
    granted([5]);
    sharing.exclusion.exclude(frame(web, 6));
    const refusal = { status: "dma-excluded", partition: "web", page: 6 };
    expect(refusedUnchanged(order([5, 6]))).toEqual(refusal);
    sharing.exclusion.exclude(frame(disk, 1));
    expect(refusedUnchanged(order([5, 7]))).toEqual({ ...refusal, partition: "disk", page: 1 });
  });

  it("every page is forbidden until its owner opens it, and only its owner can", () => {
    const quiet = { name: "quiet", memory: new PlainMemory(host, 2, 4) };
    sharing.setAside(quiet, 2, 1);
    expect(refusedUnchanged(order([0], { owner: quiet })).status).toBe("dma-excluded");
    granted([3]);
    expect(() => sharing.allowDma(web, RANGE, 1)).toThrow(refuses("hypervisor/unmapped-gpa"));
    expect(() => sharing.allowDma(quiet, 1, 2 ** 52)).toThrow(refuses("hypervisor/unmapped-gpa"));
    expect(refusedUnchanged(order([1], { owner: quiet })).status).toBe("dma-excluded");
    sharing.allowDma(quiet, 1, 1);
    granted([1], { owner: quiet });
  });
});

describe("page sharing 3.4/5 and 3.4/6: completing", () => {
  it("3.4/5: one of two pending accesses keeps the mapping and the right to DMA, with count 1", () => {
    const first = granted([3]);
    const second = granted([3], { requester: backup });
    expect(count(web, 3)).toBe(2);
    sharing.complete(first);
    expect(count(web, 3)).toBe(1);
    expect(web.memory.map[RANGE]! >>> 12).toBe(frame(web, 3));
    expect(finish(second)).toBe(4096);
  });

  it("3.4/6: the last one: count 0, exclusion bit set, mapping removed, in that order", () => {
    const request = granted([3]);
    const seen: string[] = [];
    const tell = (what: string) =>
      seen.push(
        `${what}: count ${count(web, 3)}, ${sharing.exclusion.excludes(frame(web, 3)) ? "closed" : "open"}, ` +
          `${web.memory.lent.length} mapped`,
      );
    const { exclude } = sharing.exclusion;
    vi.spyOn(sharing.exclusion, "exclude").mockImplementation((excluded) => {
      if (excluded === frame(web, 3)) tell("exclude");
      exclude.call(sharing.exclusion, excluded);
    });
    const { unmapFrame } = web.memory;
    vi.spyOn(web.memory, "unmapFrame").mockImplementation((page) => {
      tell("unmap");
      unmapFrame.call(web.memory, page);
    });
    sharing.complete(request);
    expect(seen).toEqual(["exclude: count 0, open, 1 mapped", "unmap: count 0, closed, 1 mapped"]);
    expect(web.memory.lent).toEqual([]);
  });

  it("a request is completed once", () => {
    const request = granted([3]);
    granted([3], { requester: backup });
    sharing.complete(request);
    expect(() => sharing.complete(request)).toThrow(refuses("hypervisor/unknown-request"));
    expect(count(web, 3)).toBe(1);
  });

  it("counts back what was counted, though the caller's list has changed since", () => {
    const pages = [3, 4];
    const request = granted(pages);
    pages.splice(0, 2, 5);
    sharing.complete(request);
    expect(sharing.pending.frames()).toEqual([]);
    expect(web.memory.lent).toEqual([]);
  });
});

describe("page sharing 3.4/7: a device that tries a page with count 0", () => {
  const rogue = (more = {}) =>
    sharing.dma.program({
      device: "nic0",
      frames: Uint32Array.of(frame(web, 3)),
      buffer: Uint32Array.of(frame(disk, 0)),
      direction: "to-shared",
      ...more,
    });

  it("is blocked and logged, and nothing is moved", () => {
    bytesOf(disk, 0).fill(0x66);
    sharing.complete(granted([3]));
    sharing.allowDma(disk, 0, 1);
    const again = rogue();
    expect(sharing.dma.run(again, 4096)).toBe(0);
    expect(again.state).toBe("blocked");
    expect(bytesOf(web, 3).every((byte) => byte === 0)).toBe(true);
    expect(sharing.dma.log).toEqual([{ device: "nic0", hostFrame: frame(web, 3), direction: "to-shared", moved: 0 }]);
    expect(sharing.dma.run(again, 4096)).toBe(0);
    expect(sharing.dma.blocked).toBe(1);
  });

  it("is stopped in the middle of a transfer by a page that is closed, at either end", () => {
    sharing.exclusion.exclude(frame(disk, 1));
    const frames = Uint32Array.of(frame(web, 2), frame(web, 3));
    const buffer = Uint32Array.of(frame(disk, 0), frame(disk, 1));
    for (const direction of ["to-shared", "from-shared"] as const) {
      const transfer = rogue({ frames, buffer, direction });
      expect(sharing.dma.run(transfer, 1000)).toBe(1000);
      expect(sharing.dma.run(transfer, 8192)).toBe(3096);
      expect(transfer.state).toBe("blocked");
    }
    expect(sharing.dma.log.map(({ hostFrame, moved }) => [hostFrame, moved])).toEqual([
      [frame(disk, 1), 4096],
      [frame(disk, 1), 4096],
    ]);
  });

  it("moves nothing of a request that has ended, even while others keep the page open", () => {
    bytesOf(disk, 0).fill(0x66);
    const ended = granted([3]);
    granted([3], { requester: backup });
    sharing.complete(ended);
    expect(ended.descriptor.state).toBe("aborted");
    expect(finish(ended)).toBe(0);
    expect(bytesOf(web, 3)[0]).toBe(0);
  });

  it("is stopped at frames the host does not have", () => {
    const nowhere = rogue({ frames: Uint32Array.of(2 ** 32 - 1) });
    expect(sharing.dma.run(nowhere, 4096)).toBe(0);
    expect(nowhere.state).toBe("blocked");
    expect(() => rogue({ frames: new Uint32Array(2) })).toThrow(refuses("hypervisor/dma-lengths"));
  });

  it("cannot fill the log: the newest are kept, all are counted", () => {
    sharing.complete(granted([3]));
    for (let i = 0; i < BLOCKED_TRANSFERS + 10; i++) {
      const again = rogue({ device: `nic${i}` });
      sharing.dma.run(again, 1);
      sharing.dma.retire(again);
    }
    expect(sharing.dma.blocked).toBe(BLOCKED_TRANSFERS + 10);
    expect(sharing.dma.log.length).toBe(BLOCKED_TRANSFERS);
    expect(sharing.dma.log.at(-1)!.device).toBe(`nic${BLOCKED_TRANSFERS + 9}`);
  });
});

describe("page sharing 3.4/8: data", () => {
  it("lands at the host address of each page although guest addresses were named, in both directions", () => {
    for (let page = 0; page < 8; page++) {
      bytesOf(disk, page).fill(0xd0 + page);
      bytesOf(web, page).fill(0x30 + page);
    }
    const into = granted([6, 1], { bufferPage: 2 });
    expect([1, 4095, 4096, 99].map((bytes) => sharing.dma.run(into.descriptor, bytes))).toEqual([1, 4095, 4096, 0]);
    expect(into.descriptor.state).toBe("done");
    const out = granted([5], { bufferPage: 7, direction: "from-shared" });
    expect(finish(out)).toBe(4096);
    const firsts = (partition: PlainPartition) =>
      Array.from({ length: 8 }, (_, page) => bytesOf(partition, page)[4095]);
    expect(firsts(web)).toEqual([0x30, 0xd3, 0x32, 0x33, 0x34, 0x35, 0xd2, 0x37]);
    expect(firsts(disk)).toEqual([0xd0, 0xd1, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0x35]);
    // The owner sees the device's data through its temporary range as well.
    expect(bytesOf(web, RANGE)[0]).toBe(0xd2);
  });
});

describe("page sharing 3.4/9: a page with a pending access", () => {
  it.each(["hole", "frame"] as const)("is in use and does not become a %s", (to) => {
    const request = granted([3]);
    const before = frame(web, 3);
    for (const [partition, page] of [
      [web, 3],
      [disk, 0],
    ] as const)
      expect(() => partition.memory.change(sharing, partition, page, to)).toThrow(refuses("hypervisor/object-in-use"));
    expect(frame(web, 3)).toBe(before);
    expect(finish(request)).toBe(4096);
    sharing.complete(request);
    web.memory.change(sharing, web, 3, to);
    expect(web.memory.hostFrame(3)).not.toBe(before);
  });

  it("keeps a whole run of pages from changing, and none of them is closed to DMA for the attempt", () => {
    granted([3]);
    expect(() => sharing.beforeMapChange(web, 0, 2 ** 40)).toThrow(refuses("hypervisor/object-in-use"));
    expect(sharing.exclusion.excludes(frame(web, 0))).toBe(false);
  });

  it("the temporary range is set aside: the owner maps nothing there, in use or not", () => {
    expect(() => sharing.beforeMapChange(web, RANGE + SLOTS - 1, 1)).toThrow(refuses("hypervisor/object-in-use"));
    sharing.beforeMapChange(web, RANGE + SLOTS, 1);
  });

  it("a frame that leaves a partition is closed to DMA: its next owner has not opened it", () => {
    const before = frame(web, 3);
    web.memory.change(sharing, web, 3, "frame");
    expect(sharing.exclusion.excludes(before)).toBe(true);
    expect(sharing.exclusion.excludes(frame(web, 3))).toBe(true);
  });
});

describe("page sharing 3.4/10: a range that is full", () => {
  it("refuses with a status that says whether to try again, and overwrites no slot", () => {
    const first = granted([0, 1]);
    granted([2], { requester: backup });
    expect(refusedUnchanged(order([3, 4])).status).toBe("range-full");
    expect(refusedUnchanged(order([3, 4, 5, 6, 7])).status).toBe("range-too-small");
    // A page that is mapped already needs no slot.
    granted([2, 3]);
    expect(refusedUnchanged(order([4])).status).toBe("range-full");
    sharing.complete(first);
    sharing.allowDma(disk, 0, 8);
    granted([4, 5]);
    expect(web.memory.lent.length).toBe(SLOTS);
  });

  it("a partition without a range has nothing to share", () => {
    expect(refusedUnchanged(order([0], { owner: disk, requester: web })).status).toBe("no-temporary-range");
  });

  it.each([
    ["where there is memory", 7, 2],
    ["beyond the guest's space", 15, 2],
    ["of no page", 12, 0],
    ["at no page number", 10.5, 1],
  ])("a range %s is not set aside", (_, base, pages) => {
    expect(() => sharing.setAside(disk, base, pages)).toThrow(refuses("hypervisor/temporary-range"));
    expect(() => sharing.setAside(web, 14, 1)).toThrow(refuses("hypervisor/temporary-range"));
  });
});

describe("page sharing 3.4/11: a partition that dies mid-transfer", () => {
  it("as requester: DMA is aborted, the pages closed and unmapped, other requests go on, no slot is lost", () => {
    bytesOf(disk, 0).fill(0x11);
    bytesOf(backup, 0).fill(0x22);
    const dying = granted([3, 4]);
    const living = granted([3], { requester: backup });
    sharing.dma.run(dying.descriptor, 100);
    sharing.drain(disk);
    expect(dying.descriptor.state).toBe("aborted");
    expect(finish(dying)).toBe(0);
    expect(count(web, 4)).toBe(0);
    expect(sharing.exclusion.excludes(frame(web, 4))).toBe(true);
    expect(web.memory.lent).toEqual([RANGE]);
    expect(Array.from({ length: 8 }, (_, page) => sharing.exclusion.excludes(frame(disk, page)))).not.toContain(false);
    expect(finish(living)).toBe(4096);
    expect(bytesOf(web, 3)[0]).toBe(0x22);
    expect(() => sharing.complete(dying)).toThrow(refuses("hypervisor/unknown-request"));
    sharing.complete(living);
    sharing.allowDma(web, 0, 8);
    granted([0, 1, 2, 3], { requester: backup, bufferPage: 2 });
  });

  it("as owner: transfers to its pages are aborted, its range is gone, the requester's buffer is its own again", () => {
    const request = granted([3]);
    sharing.drain(web);
    expect(web.memory.lent).toEqual([]);
    expect(finish(request)).toBe(0);
    expect(sharing.pending.frames()).toEqual([]);
    disk.memory.change(sharing, disk, 0, "hole");
    expect(refusedUnchanged(order([3], { bufferPage: 1 })).status).toBe("no-temporary-range");
  });
});

describe("page sharing 3.4/13: what a dump says", () => {
  it("lists every page with a pending access and every transfer, as plain data", () => {
    const request = granted([3, 4]);
    granted([3], { requester: backup, bufferPage: 6, device: "tape0", direction: "from-shared" });
    sharing.complete(granted([5], { bufferPage: 5 }));
    sharing.dma.run(request.descriptor, 5000);
    const report = sharing.report();
    expect(JSON.parse(JSON.stringify(report))).toEqual(report);
    expect(report).toEqual({
      inFlight: [
        {
          hostFrame: frame(web, 3),
          owner: "web",
          ownerPage: 3,
          slot: RANGE,
          count: 2,
          requesters: ["disk", "backup"],
        },
        { hostFrame: frame(web, 4), owner: "web", ownerPage: 4, slot: RANGE + 1, count: 1, requesters: ["disk"] },
      ],
      transfers: [
        {
          device: "sata0",
          frames: [frame(web, 3), frame(web, 4)],
          buffer: [frame(disk, 0), frame(disk, 1)],
          direction: "to-shared",
          state: "moving",
          movedBytes: 5000,
        },
        {
          device: "tape0",
          frames: [frame(web, 3)],
          buffer: [frame(backup, 6)],
          direction: "from-shared",
          state: "programmed",
          movedBytes: 0,
        },
      ],
      faults: [],
    });
  });

  it("keeps pages of the same number apart, whoever owns them", () => {
    sharing.setAside(backup, 12, 1);
    granted([3]);
    granted([3], { owner: backup, requester: web });
    expect(sharing.report().inFlight.map(({ owner, slot, requesters }) => [owner, slot, requesters])).toEqual([
      ["web", RANGE, ["disk"]],
      ["backup", 12, ["web"]],
    ]);
  });

  it("a count without a descriptor is a leak", () => {
    const { descriptor } = granted([3]);
    granted([3], { requester: backup });
    sharing.dma.retire(descriptor);
    expect(sharing.report().faults).toEqual(
      [
        { kind: "leak", hostFrame: frame(web, 3), count: 2, transfers: 1 },
        { kind: "leak", hostFrame: frame(disk, 0), count: 1, transfers: 0 },
      ].sort((a, b) => a.hostFrame - b.hostFrame),
    );
  });

  it("a descriptor without a count is a use after unmap", () => {
    sharing.dma.program({
      device: "nic0",
      frames: Uint32Array.of(frame(web, 3)),
      buffer: Uint32Array.of(frame(disk, 0)),
      direction: "to-shared",
    });
    granted([4], { bufferPage: 1 });
    expect(sharing.report().faults.map(({ kind, hostFrame }) => [kind, hostFrame])).toEqual([
      ["use-after-unmap", frame(web, 3)],
      ["use-after-unmap", frame(disk, 0)],
    ]);
  });

  it("an access that ended once too often is found before the page is given away, and then is an underflow", () => {
    const request = granted([3]);
    sharing.pending.end(frame(web, 3));
    expect(sharing.report().faults).toEqual([
      { kind: "use-after-unmap", hostFrame: frame(web, 3), count: 0, transfers: 1 },
    ]);
    expect(() => sharing.complete(request)).toThrow(refuses("hypervisor/count-underflow"));
  });
});

describe("page sharing 3.4/1 to 3.4/11 with partitions of the hypervisor", () => {
  it("the owner sees what the device wrote at its temporary guest addresses, beyond its memory, until the request ends", () => {
    const big = new HostMemory(2 ** 21);
    const partition = (name: string) => new Partition(big, { name, memoryBytes: 8 * 4096, processors: 1 });
    const [owner, requester] = [partition("owner"), partition("requester")];
    const books = new PageSharing(big);
    const changes: number[] = [];
    owner.memory.onMapChange((firstPage) => changes.push(firstPage));
    books.setAside(owner, 0xf_0000, 2);
    books.allowDma(owner, 0, 8);
    books.allowDma(requester, 0, 8);
    requester.memory.write(4 * 4096, new TextEncoder().encode("from the requester"));
    const answer = books.request({
      owner,
      pages: [6, 2],
      requester,
      bufferPage: 4,
      device: "sata0",
      direction: "to-shared",
    });
    if (answer.status !== "success") throw new Error(answer.status);
    expect(books.dma.run(answer.request.descriptor, 8192)).toBe(8192);
    for (const page of [6, 0xf_0000])
      expect(new TextDecoder().decode(owner.memory.read(page * 4096, 18))).toBe("from the requester");
    expect(changes).toEqual([0xf_0000, 0xf_0001]);
    books.drain(requester);
    requester.destroy();
    expect(changes).toEqual([0xf_0000, 0xf_0001, 0xf_0000, 0xf_0001]);
    expect(owner.memory.hostFrame(0xf_0000)).toBeNull();
    expect(new TextDecoder().decode(owner.memory.read(6 * 4096, 18))).toBe("from the requester");
    books.drain(owner);
    owner.destroy();
    expect(big.freeFrames).toBe(big.frames);
  });
});

describe("page sharing", () => {
  it("counts what it did", () => {
    const request = granted([3, 4]);
    finish(request);
    sharing.complete(request);
    sharing.request(order([4]));
    sharing.allowDma(web, 0, 8);
    granted([0, 1], { requester: backup });
    sharing.drain(backup);
    granted([2], { bufferPage: 4 });
    expect(sharing.counters()).toEqual({
      sharingRequestsGranted: 3,
      sharingRequestsRefused: 1,
      sharingRequestsDrained: 1,
      sharingRequestsPending: 1,
      temporaryPages: SLOTS,
      temporaryPagesInUse: 1,
      dmaBytes: 8192,
      dmaBlocked: 0,
    });
  });
});
