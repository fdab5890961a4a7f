import { MAX_PHYSICAL_ADDRESS_BITS } from "../frame-map.ts";
import type { HostMemory } from "../host-memory.ts";
import type { Partition, PartitionRunState } from "../partition.ts";
import type { DmaState, PageSharing } from "../sharing/index.ts";
import type { EngineKind } from "../translation/engine.ts";
import { type FlushRecord, highBit, lowBit } from "../translation/flush-journal.ts";
import { CachingEngine } from "../translation/physical-tlb.ts";
import { TlbEngine } from "../translation/tlb-engine.ts";
import type { VirtualProcessor } from "../virtual-processor.ts";
import { shadowState } from "./capture-shadow.ts";
import { sharingState } from "./capture-sharing.ts";
import { eachSet } from "./sparse.ts";
import { type HypervisorState, PARTITION_WORDS, type PartitionState } from "./tables.ts";
import { WordRows, wordAt, wordsOf } from "./words.ts";

/** The hypervisor's parts that the state is made of. */
export interface StateSource {
  readonly partitions: readonly Partition[];
  readonly dumpPartition: Partition | null;
  readonly memory: HostMemory;
  readonly sharing: PageSharing;
}

/** What the hypervisor died of: a bug check's code and parameters. */
export interface BugCheck {
  readonly code: number;
  readonly parameters: readonly [bigint, bigint, bigint, bigint];
}

/** By the numbers that the region's layout has for them. */
export const ENGINES: readonly EngineKind[] = ["walk", "tlb", "shadow"];
export const RUN_STATES: readonly PartitionRunState[] = ["running", "suspended", "crashed", "destroyed"];
export const DMA_STATES: readonly DmaState[] = ["programmed", "moving", "done", "blocked", "aborted"];

const SLOT = PARTITION_WORDS.tlbSlots;
const SLOT_WORDS = wordsOf(SLOT);
const CONTEXT = wordAt(SLOT, "context");
const HIGH = wordAt(SLOT, "high");
const LOW = wordAt(SLOT, "low");
const ADDRESS = wordAt(SLOT, "address");
const ACCESS = wordAt(SLOT, "access");
const LARGE = wordAt(SLOT, "large");

/** The state as it stands: changes nothing, and shares nothing with what changes later. */
export function captureState(source: StateSource, bugCheck: BugCheck | null): HypervisorState {
  const { tableWrites } = source.memory;
  return {
    stopCode: bugCheck?.code ?? 0,
    parameters: bugCheck?.parameters ?? [0n, 0n, 0n, 0n],
    serial: tableWrites.now,
    forgottenUpTo: tableWrites.forgottenUpTo,
    hostFrames: source.memory.frames,
    omitted: [],
    partitions: source.partitions.map((partition) => partitionState(partition, partition === source.dumpPartition)),
    tableWrites: [...tableWrites],
    ...sharingState(source.sharing, source.partitions, source.memory.frames),
  };
}

function partitionState(partition: Partition, isDumpPartition: boolean): PartitionState {
  const { memory, processors, shadowTables } = partition;
  const row = {
    pages: memory.pages,
    engine: ENGINES.indexOf(partition.engine),
    runState: RUN_STATES.indexOf(partition.state),
    isDumpPartition: isDumpPartition ? 1 : 0,
    maxPhysicalAddressBits: shadowTables?.maxPhysicalAddressBits ?? MAX_PHYSICAL_ADDRESS_BITS,
    budget: shadowTables?.pool.budget ?? 0,
    used: shadowTables?.pool.used ?? 0,
    serial: shadowTables?.pool.now ?? 0,
  };
  return {
    name: partition.name,
    partition: [row],
    processors: processors.map((processor) => processorState(processor, shadowTables?.shootdown.left(processor.index))),
    words: processors.flatMap(({ index }) =>
      [...(shadowTables?.shootdown.left(index) ?? [])].map((range) => ({
        processor: index,
        ...range,
        low: range.low >>> 0,
      })),
    ),
    map: mapRuns(memory.map),
    flushes: processors
      .flatMap(({ index, translation }) =>
        translation instanceof TlbEngine ? [...translation.journal].map((flush) => flushRow(flush, index)) : [],
      )
      .concat([...(shadowTables?.flushes.journal ?? [])].map((flush) => flushRow(flush, null))),
    ...cached(processors),
    ...shadowState(shadowTables),
  };
}

function processorState(processor: VirtualProcessor, left: readonly unknown[] | null | undefined) {
  const { cr0, cr3, cr4, efer, rip, rsp, rflags } = processor.registers;
  return {
    cr3: Number(BigInt.asUintN(52, cr3)),
    cr0: Number(cr0),
    cr4: Number(cr4),
    efer: Number(efer),
    pkru: processor.pkru >>> 0,
    rip,
    rsp,
    rflags,
    forgetsEverything: left === null ? 1 : 0,
  };
}

function mapRuns(map: Int32Array): PartitionState["map"] {
  const runs: { guestFrame: number; hostFrame: number; count: number; rights: number }[] = [];
  eachSet(map, 0, (guestFrame, entry) => {
    const last = runs.at(-1);
    const hostFrame = entry >>> 12;
    const rights = entry & 0xfff;
    const goesOn =
      last !== undefined &&
      last.guestFrame + last.count === guestFrame &&
      last.hostFrame + last.count === hostFrame &&
      last.rights === rights;
    if (goesOn) last.count++;
    else runs.push({ guestFrame, hostFrame, count: 1, rights });
  });
  return runs;
}

/** @param only the processor whose flush it is; null where the record names them */
function flushRow(flush: FlushRecord, only: number | null) {
  return {
    ...flush,
    low: flush.low >>> 0,
    processorsLow: (only === null ? flush.processorsLow : lowBit(only)) >>> 0,
    processorsHigh: (only === null ? flush.processorsHigh : highBit(only)) >>> 0,
  };
}

/** What the processors' TLBs hold, by the names it lies under. */
function cached(processors: readonly VirtualProcessor[]): Pick<PartitionState, "contexts" | "tlbSlots"> {
  const contexts: PartitionState["contexts"][number][] = [];
  const slots = new WordRows();
  for (const { index: processor, translation } of processors) {
    if (!(translation instanceof CachingEngine)) continue;
    const rows = new Map<number, number>();
    for (const context of translation.contexts()) {
      rows.set(context.number, contexts.length);
      contexts.push({ ...context, processor });
    }
    translation.eachSlot((space, high, low, access, address, large) => {
      const row = rows.get(space);
      if (row === undefined) return;
      const at = slots.add(SLOT_WORDS);
      const { words } = slots;
      words[at + CONTEXT] = row;
      words[at + HIGH] = high;
      words[at + LOW] = low;
      words[at + ADDRESS] = address;
      words[at + ACCESS] = access;
      words[at + LARGE] = large ? 1 : 0;
    });
  }
  return { contexts, tlbSlots: slots.finished() };
}
