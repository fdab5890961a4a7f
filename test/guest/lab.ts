import type { PhysicalMemory } from "../../src/binary/index.ts";
import {
  contextX64,
  debuggerData64,
  dumpHeader64,
  eprocess,
  ethread,
  kprcb,
  loaderEntry,
  unicodeString64,
} from "../../src/dumpfile/index.ts";
import { EmulatedHost, type EmulatedHostOptions, type HostEvent, parseScenario } from "../../src/host/index.ts";
import { VirtualMemory } from "../../src/paging/index.ts";

/** A scenario of one small partition; `rest` goes into it. */
export const labScenario = (rest: string, options: { duration?: string; systemPtes?: number } = {}) =>
  parseScenario(
    `name: lab
description: a partition for a test
host: { name: lab, memory: 20 MiB }
dumpPartition: { memory: 4 MiB }
duration: ${options.duration ?? "20 s"}
partitions:
  - name: subject
    memory: 16 MiB
    systemPtes: ${options.systemPtes ?? 1024}
    owners: [age19td43ekvkhtnrn8qshmfdm2fn3ma077a3cjv0h58e0zj6nctrszswcg6t4]
${rest.replace(/^/gm, "    ")}
`,
    "lab.yaml",
  );

export const LEAK = `drivers:
  - { name: leakdrv.sys, behaviour: leak-system-ptes, options: { rate: 1000 per second, start: 200 ms } }
  - { name: diskwatch.sys, behaviour: pool-churn, options: { rate: 300 per second } }`;

/** Runs until something other than a start happens. */
export async function untilItStops(host: EmulatedHost): Promise<Exclude<HostEvent, { kind: "started" }>> {
  for (;;) {
    const event = await host.nextEvent();
    if (event.kind !== "started") return event;
  }
}

export async function crashed(
  rest: string,
  options: EmulatedHostOptions & { systemPtes?: number; duration?: string } = {},
) {
  const host = new EmulatedHost(labScenario(rest, options), options);
  const event = await untilItStops(host);
  if (event.kind !== "crashed") throw new Error("the guest did not stop");
  return { host, event, view: viewOf(host) };
}

/** A stopped guest as a debugger finds it: by the dump header and what hangs on it, and by nothing else. */
export function viewOf(host: EmulatedHost, partition = "subject") {
  const note = host.crashNote(partition);
  if (note.kind !== "windows") throw new Error("there is no dump header");
  const header = dumpHeader64.read(note.header);
  const physical: PhysicalMemory = host.memory(partition);
  const memory = new VirtualMemory(physical, { root: Number(header.directoryTableBase & ~0xfffn), levels: 4 });
  const kdbg = debuggerData64.read(memory.read(header.kdDebuggerDataBlock, debuggerData64.size));
  const word = (address: bigint) => new DataView(memory.read(address, 8).buffer).getBigUint64(0, true);
  const list = (head: bigint, link = 0): bigint[] => {
    const found: bigint[] = [];
    for (let entry = word(head); entry !== head; entry = word(entry)) found.push(entry - BigInt(link));
    return found;
  };
  const text = (address: bigint) => {
    const { length, buffer } = unicodeString64.read(memory.read(address, unicodeString64.size));
    return Buffer.from(memory.read(buffer, length)).toString("utf16le");
  };
  const modules = list(header.psLoadedModuleList).map((at) => ({
    ...loaderEntry.read(memory.read(at, loaderEntry.size)),
    path: text(at + 0x48n),
    name: text(at + 0x58n),
  }));
  const processes = list(header.psActiveProcessHead, eprocess.fields.activeProcessLinks.offset).map((object) => ({
    object,
    ...eprocess.read(memory.read(object, eprocess.size)),
    threads: list(object + BigInt(eprocess.fields.threadListHead.offset), ethread.fields.threadListEntry.offset).map(
      (thread) => ({ object: thread, ...ethread.read(memory.read(thread, ethread.size)) }),
    ),
  }));
  const processors = Array.from({ length: header.numberProcessors }, (_, index) => {
    const address = word(kdbg.kiProcessorBlock + BigInt(8 * index));
    return { address, ...kprcb.read(memory.read(address, kprcb.size)) };
  });
  const context = contextX64.read(header.contextRecord);
  return { header, physical, memory, kdbg, word, list, text, modules, processes, processors, context };
}

export type View = ReturnType<typeof viewOf>;

/** The image that an address lies in. */
export const holderOf = ({ modules }: View, address: bigint): string | undefined =>
  modules.find(({ dllBase, sizeOfImage }) => address >= dllBase && address < dllBase + BigInt(sizeOfImage))?.name;

/** A start with checks armed, up to its stop. */
export async function stopUnder(
  arm: readonly { check: string; target: string | null }[],
  rest: string,
  options: { duration?: string } = {},
) {
  const host = new EmulatedHost(labScenario(rest, options));
  await host.restart("subject", { arm });
  const event = await untilItStops(host);
  if (event.kind !== "crashed") throw new Error("the guest did not stop");
  return { host, event, view: viewOf(host) };
}
