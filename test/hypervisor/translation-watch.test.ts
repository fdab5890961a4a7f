import { describe, expect, it } from "vitest";
import type { Partition } from "../../src/hypervisor/partition.ts";
import { FLUSH_ALL_PROCESSORS } from "../../src/hypervisor/translation/shadow/index.ts";
import { watchTranslations } from "../../src/hypervisor/translation-watch.ts";
import { AuditedMachine, PAGE } from "./audit-machine.ts";
import { P, pte, U, W } from "./shadow-guest.ts";

const PAGE_TABLE = 4 * PAGE;

/** A page that two processors have used changes its frame, and all are to forget the old one. @returns doubts, once the second goes on */
function doubtsAfterShootdown(isCarriedOut: boolean): number {
  const machine = new AuditedMachine({ engine: "shadow" });
  const { first: partition } = machine;
  const [one, other] = partition.processors;
  let doubts = 0;
  watchTranslations(partition as unknown as Partition, () => {
    doubts++;
  });
  for (const processor of [one!, other!]) processor.translate(0, 0, 0);
  partition.memory.writeU64(PAGE_TABLE, pte(0x120, P | W | U));
  const target = { addressSpace: one!.registers.cr3, flags: FLUSH_ALL_PROCESSORS, processors: 0n };
  partition.flushAddressList(target, [0n]);
  expect(doubts).toBe(0);
  if (!isCarriedOut) (other!.translation as unknown as { dropAddress: () => void }).dropAddress = () => {};
  other!.translate(0, PAGE, 0);
  return doubts;
}

describe("a watch over translations and flushes", () => {
  it("doubts a processor that takes the word to forget a page and keeps it, before it has translated with it", () => {
    expect(doubtsAfterShootdown(false)).toBe(1);
    expect(doubtsAfterShootdown(true)).toBe(0);
  });

  it("ends the access in which a doubt was true", () => {
    const machine = new AuditedMachine({ engine: "shadow" });
    const partition = machine.first as unknown as Partition;
    const stopped = new Error("stopped");
    watchTranslations(partition, () => {
      partition.mustRun = () => {
        throw stopped;
      };
    });
    const [processor] = partition.processors;
    const { memory } = partition;
    processor!.translate(0, 0, 0);
    // Another frame without a flush: what the other kind of access finds in the shadow tables is no longer what the guest has.
    memory.writeU64(PAGE_TABLE, pte(0x120, P | W | U));
    expect(() => processor!.readU32(0n, 0x2)).toThrow(stopped);
  });
});
