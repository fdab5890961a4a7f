import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PAGE_SIZE } from "../../src/binary/index.ts";

import { NT_STATUS } from "../../src/guest/index.ts";
import { EmulatedHost } from "../../src/host/index.ts";
import { PageFault } from "../../src/hypervisor/index.ts";
import { HeldPageFile } from "./held-page-file.ts";

import { labScenario, untilItStops } from "./lab.ts";
import { pagingKernel } from "./paging-kernel.ts";

const PAGE = BigInt(PAGE_SIZE);

describe("pageable memory", () => {
  it.each(["walk", "tlb", "shadow"] as const)(
    "keeps what was written to it, wherever it is when it is wanted, on %s",
    (engine) => {
      const step = fc.record({
        page: fc.integer({ min: 0, max: 7 }),
        what: fc.constantFrom("write", "read", "trim", "complete"),
        value: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
      });
      fc.assert(
        fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
          const device = new HeldPageFile(8);
          const kernel = pagingKernel(device, engine);
          const start = kernel.pageable.allocate(8);
          const expected = new Array<bigint>(8).fill(0n);
          const { processor } = kernel.memory;
          const present = (address: bigint) => {
            if (!kernel.pageable.isAbsent(address)) return;
            expect(() => processor.readU64(address)).toThrow(PageFault);
            let ended: number | null = null;
            kernel.pageable.bringIn(address, (status) => {
              ended = status;
            });
            device.complete();
            expect(ended).toBe(0);
          };
          for (const { page, what, value } of steps) {
            const address = start + BigInt(page) * PAGE + 8n * BigInt(page);
            if (what === "trim") kernel.pageable.trim();
            else if (what === "complete") device.complete(1);
            else {
              present(address);
              if (what === "write") {
                processor.writeU64(address, value);
                expected[page] = value;
              } else expect(processor.readU64(address)).toBe(expected[page]);
            }
          }
        }),
        { numRuns: 60 },
      );
    },
  );

  it("leaves when it was not used since the last look, and gives its frame away once it is written", () => {
    const device = new HeldPageFile(4);
    const kernel = pagingKernel(device);
    const start = kernel.pageable.allocate(4);
    kernel.pageable.trim(); // the pages are born used
    kernel.memory.processor.readU64(start);
    const before = kernel.frames.available;
    kernel.pageable.trim();
    expect([0, 1, 2, 3].map((page) => kernel.pageable.isAbsent(start + BigInt(page) * PAGE))).toEqual([
      false,
      true,
      true,
      true,
    ]);
    expect(kernel.frames.available).toBe(before);
    device.complete();
    expect(kernel.frames.available).toBe(before + 3);
    // Not valid, PageFileAllocated, and where it is.
    expect(kernel.pageable.entryOf(start + 2n * PAGE)).toBe((2n << 32n) | 0x84n);
  });

  it("stays where it is without a page file, beyond its end, and when it cannot be written", () => {
    const none = pagingKernel(null);
    const alone = none.pageable.allocate(1);
    const device = new HeldPageFile(1);
    device.bad.set(0, NT_STATUS.unreadable);
    const small = pagingKernel(device);
    const two = small.pageable.allocate(2);
    for (const kernel of [none, small]) for (let look = 0; look < 3; look++) kernel.pageable.trim();
    device.complete();
    expect(none.pageable.isAbsent(alone)).toBe(false);
    expect(small.pageable.isAbsent(two)).toBe(false);
    expect(small.pageable.isAbsent(two + PAGE)).toBe(false);
  });

  it("does not leave again before it is written, however often it was wanted back in between", () => {
    const device = new HeldPageFile(1);
    const kernel = pagingKernel(device);
    const address = kernel.pageable.allocate(1);
    const leave = () => {
      for (let look = 0; look < 2; look++) kernel.pageable.trim();
    };
    leave();
    kernel.pageable.bringIn(address, () => {});
    kernel.memory.processor.writeU64(address, 7n);
    leave();
    // A disk may serve what it is asked for in any order, and the older write last.
    expect(device.held).toHaveLength(1);
    device.complete();
    leave();
    device.complete();
    expect(device.contents.get(0)![0]).toBe(7);
  });

  it("brings three pages behind it, which leave again without being written unless they were changed", () => {
    const device = new HeldPageFile(8);
    const kernel = pagingKernel(device);
    const start = kernel.pageable.allocate(8);
    const { processor } = kernel.memory;
    const page = (index: number) => start + BigInt(index) * PAGE;
    const absent = () => [0, 1, 2, 3, 4, 5, 6, 7].filter((index) => kernel.pageable.isAbsent(page(index)));
    for (let index = 0; index < 8; index++) processor.writeU64(page(index), BigInt(index));
    for (let look = 0; look < 2; look++) kernel.pageable.trim();
    device.complete();
    expect(absent()).toHaveLength(8);
    device.written.length = 0;
    kernel.pageable.bringIn(page(2), () => {});
    device.complete();
    expect(absent()).toEqual([0, 1, 6, 7]);
    expect(processor.readU64(page(5))).toBe(5n);
    processor.writeU64(page(4), 44n);
    for (let look = 0; look < 3; look++) kernel.pageable.trim();
    device.complete();
    expect(absent()).toHaveLength(8);
    // 2 was wanted, and counts as changed; 4 was.
    expect(device.written).toEqual([2, 4]);
    kernel.pageable.bringIn(page(3), () => {});
    device.complete();
    expect([3, 4, 5, 6].map((index) => processor.readU64(page(index)))).toEqual([3n, 44n, 5n, 6n]);
  });

  it("is hurried when it is read ahead and somebody begins to wait, and is asked for once", () => {
    const device = new HeldPageFile(4);
    const kernel = pagingKernel(device);
    const start = kernel.pageable.allocate(4);
    for (let look = 0; look < 2; look++) kernel.pageable.trim();
    device.complete();
    const came: number[] = [];
    kernel.pageable.bringIn(start, () => came.push(0));
    kernel.pageable.bringIn(start + 2n * PAGE, () => came.push(2));
    expect(device.held).toHaveLength(4);
    expect(device.raised).toEqual([2]);
    device.complete();
    expect(came).toEqual([0, 2]);
  });

  it("tells all who wait for a page that it cannot be read", () => {
    const device = new HeldPageFile(1);
    const kernel = pagingKernel(device);
    const start = kernel.pageable.allocate(1);
    for (let look = 0; look < 2; look++) kernel.pageable.trim();
    device.complete();
    device.bad.set(0, NT_STATUS.gone);
    const statuses: number[] = [];
    for (let waiter = 0; waiter < 2; waiter++) kernel.pageable.bringIn(start, (status) => statuses.push(status));
    expect(device.held).toHaveLength(1);
    device.complete();
    expect(statuses).toEqual([NT_STATUS.gone, NT_STATUS.gone]);
    expect(kernel.pageable.isAbsent(start)).toBe(true);
  });
});

describe("a guest that pages", () => {
  const TABLE = `pageFile: 1 MiB
drivers:
  - { name: lookup.sys, behaviour: pageable-table, options: { rate: 200 per second, pages: 100 } }`;

  it("waits for its page file and goes on, with the disk's traffic counted", async () => {
    const host = new EmulatedHost(labScenario(TABLE, { duration: "20 s" }));
    expect((await untilItStops(host)).kind).toBe("finished");
    const { pageReads, pageWrites, failures } = host.storageCounters();
    expect(pageReads).toBeGreaterThan(50);
    expect(pageWrites).toBeGreaterThan(50);
    expect(failures).toBe(0);
    await host.close();
  });

  it("stops with 0x7A at a page that cannot be read: its entry, the status, what the entry holds, the address", async () => {
    const text = labScenario(TABLE, { duration: "60 s" });
    const host = new EmulatedHost({
      ...text,
      diskFaults: [{ kind: "unreadable", at: 5, partition: "subject", page: 60 }],
    });
    const event = await untilItStops(host);
    if (event.kind !== "crashed") return expect.fail("it did not stop");
    expect(event.stopCode).toBe(0x7a);
    const [entry, status, held, address] = event.parameters as [bigint, bigint, bigint, bigint];
    expect(status).toBe(BigInt(NT_STATUS.unreadable));
    expect(held).toBe((60n << 32n) | 0x84n);
    expect((BigInt.asUintN(48, address) >> 12n) * 8n).toBe(BigInt.asUintN(39, entry));
    expect(host.storageCounters().failures).toBeGreaterThanOrEqual(1);
    await host.close();
  });
});
