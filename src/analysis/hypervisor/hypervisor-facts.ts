import { hex, PAGE_SIZE, type PhysicalMemory, StopcodeError } from "../../binary/index.ts";
import type { Dump, DumpProblem, HypervisorNote } from "../../dumpfile/index.ts";
import {
  auditState,
  CORRUPTION_KINDS,
  type HypervisorState,
  type PartitionState,
  readState,
  type Corruption as StateCorruption,
} from "../../hypervisor/index.ts";
import type { Corruption, Facts } from "../facts.ts";
import { dumpFact, registerFact, stopCodeName } from "../nt/index.ts";

type Crash = NonNullable<Facts["crash"]>;
type HypervisorFact = NonNullable<Facts["hypervisor"]>;

/**
 * What the dump of a whole machine tells about the hypervisor that failed: its state as the crash region has it, and the
 * audit of that state against the memory in the dump. A page that is not there is told as unchecked, never guessed. Where
 * the region cannot be read, `dump.problems` says why.
 */
export function hypervisorFacts(dump: Dump, note: HypervisorNote): Facts {
  const { memory } = dump;
  const { state, problems } = stateIn(memory.kind === "physical" ? memory : null, note);
  const dumped = dumpFact(dump)!;
  return {
    schema: "stopcode/facts/1",
    dump: { ...dumped, problems: [...dumped.problems, ...problems] },
    os: { family: "hypervisor" },
    machine: {
      arch: dump.arch,
      processors: dump.cpus.length || null,
      hostname: note.host,
      uptimeSeconds: note.upTime / 1e7,
      crashedAt: note.crashedAt.toISOString(),
    },
    crash: state && crashFact(state),
    processors: dump.cpus.map(({ index, registers, source }) => ({
      ...{ index, registers: registerFact(registers), source },
    })),
    hypervisor: state && memory.kind === "physical" ? hypervisorFact(state, memory) : null,
  };
}

function stateIn(
  memory: PhysicalMemory | null,
  { firstFrame, frames }: HypervisorNote,
): { state: HypervisorState | null; problems: DumpProblem[] } {
  if (memory === null) return { state: null, problems: [] };
  try {
    return { state: readState(memory.read(firstFrame * PAGE_SIZE, frames * PAGE_SIZE)), problems: [] };
  } catch (error) {
    if (!(error instanceof StopcodeError)) throw error;
    const message = `the hypervisor's state cannot be read: ${error.message}`;
    return { state: null, problems: [{ code: "hypervisor-state", message, offset: null }] };
  }
}

/** Parameters of stop code 0x20001 as this project's hypervisor sets them; of its own, Microsoft says nothing. */
const PARAMETERS = [
  "what is wrong, counted from 1",
  "partition, counted from 0",
  "linear address, or host address",
  "guest physical address",
];

function crashFact({ stopCode, parameters, partitions }: HypervisorState): Crash {
  const [kind, partition] = parameters;
  const texts = [CORRUPTION_KINDS[Number(kind) - 1], partitions[Number(partition)]?.name];
  const name = stopCodeName(stopCode);
  return {
    title: name ?? hex(stopCode),
    alternativeTitles: [],
    panicked: true,
    stopCode: {
      code: hex(stopCode),
      name,
      parameters: parameters.map((value, index) => ({
        value: hex(value),
        meaning: PARAMETERS[index] ?? null,
        text: texts[index] ?? null,
      })),
    },
    stack: [],
  };
}

function hypervisorFact(state: HypervisorState, memory: PhysicalMemory): HypervisorFact {
  const { checked, unchecked, corruptions, found } = auditState(state, memory);
  return {
    partitions: state.partitions.map(partitionFact),
    audit: {
      checked: { ...checked },
      unchecked: unchecked.map(({ reason, count }) => ({ reason, count })),
      corruptions: corruptions.map(corruptionFact),
      found,
    },
    sharing: {
      sharedPages: state.sharedPages.length,
      pendingAccesses: state.pending.reduce((sum, { count }) => sum + count, 0),
      descriptors: state.descriptors.length,
    },
  };
}

const ENGINES = ["walk", "tlb", "shadow"];

function partitionFact({ name, ...rows }: PartitionState): HypervisorFact["partitions"][number] {
  const [row] = rows.partition;
  return {
    name,
    engine: ENGINES[row?.engine ?? -1] ?? "unknown",
    processors: rows.processors.length,
    pages: row?.pages ?? 0,
    addressSpaces: rows.spaces.length,
    shadowPages: rows.shadowPages.length,
  };
}

const corruptionFact = ({ hostFrame, ...corruption }: StateCorruption): Corruption => ({
  ...corruption,
  hostFrame: hostFrame === null ? null : hex(hostFrame),
});
