import { PAGE_SIZE, type PageRun, type PhysicalMemory, StopcodeError } from "../../src/binary/index.ts";
import type {
  CrashNote,
  CrashNotice,
  CrashRegion,
  DumpPolicy,
  Host,
  HostEvent,
  HostPartition,
  PartitionFrames,
} from "../../src/host/host.ts";

/** A partition of the plain twin: memory as bytes, and a counter of what it has executed. */
export interface MemoryPartition {
  readonly name: string;
  readonly policy: DumpPolicy;
  readonly pages: Uint8Array;
  /** Frames that exist; the first page of `pages` is frame 0. */
  readonly runs: readonly PageRun[];
  readonly privatePages: readonly PageRun[];
  readonly note: CrashNote;
  readonly console: string;
  paused: boolean;
  executed: number;
}

export const policy = (over: Partial<DumpPolicy> = {}): DumpPolicy => ({
  dump: "pages",
  format: "windows-bitmap",
  recipients: [],
  leaveOut: [],
  ...over,
});

/** A partition with pages of noise, a hole at the frames 512 to 767, and one zero page in ten. */
export function partition(name: string, over: Partial<MemoryPartition> & { pageCount?: number } = {}): MemoryPartition {
  const pageCount = over.pageCount ?? 1024;
  const pages = new Uint8Array(pageCount * PAGE_SIZE);
  const words = new Uint32Array(pages.buffer);
  let noise = 1 + name.length;
  for (let word = 0; word < words.length; word++) {
    noise = (Math.imul(noise, 1_664_525) + 1_013_904_223) >>> 0;
    words[word] = Math.floor(word / 1024) % 10 === 3 ? 0 : noise;
  }
  return {
    name,
    policy: policy(),
    pages,
    runs: [
      { firstPage: 0, pageCount: 512 },
      { firstPage: 768, pageCount: pageCount - 768 },
    ],
    privatePages: [],
    note: windowsNote(),
    console: `${name} booted\n`,
    paused: false,
    executed: 0,
    ...over,
  };
}

/** The header that a Windows guest keeps ready, field by field as in windows-dump.md section 1. */
export function windowsNote(): CrashNote {
  const header = Buffer.alloc(0x2000, "PAGE");
  header.write("PAGEDU64", 0, "latin1");
  header.writeUInt32LE(15, 0x08);
  header.writeUInt32LE(19_041, 0x0c);
  header.writeBigUInt64LE(0x1ad000n, 0x10);
  header.writeUInt32LE(0x8664, 0x30);
  header.writeUInt32LE(2, 0x34);
  header.writeUInt32LE(0x3f, 0x38);
  for (let parameter = 0; parameter < 4; parameter++) header.writeBigUInt64LE(BigInt(parameter), 0x40 + 8 * parameter);
  return { kind: "windows", header };
}

export const notice = (name: string): CrashNotice => ({
  partition: name,
  atSeconds: 41.2,
  at: new Date("2026-01-15T03:12:41.200Z"),
  stopCode: 0x3f,
  parameters: [0n, 4n, 2n, 0xffff_f800_0000_1000n],
  message: null,
});

/** The slow plain twin of a host: nothing but what `Host` promises. */
export class MemoryHost implements Host {
  readonly name = "twin-1";
  readonly startedAt = new Date("2026-01-15T03:12:00Z");
  readonly all: MemoryPartition[];

  constructor(...all: MemoryPartition[]) {
    this.all = all;
  }

  /** One instruction for every partition that may run. */
  step(): void {
    for (const one of this.all) if (!one.paused) one.executed++;
  }

  partitions(): HostPartition[] {
    return this.all.map(({ name, policy, paused, pages }) => ({
      name,
      policy,
      state: paused ? "paused" : "running",
      memoryBytes: pages.length,
      processors: 2,
    }));
  }

  memory(name: string): PhysicalMemory {
    const { pages, runs } = this.of(name);
    const exists = (page: number) => runs.some((run) => page >= run.firstPage && page < run.firstPage + run.pageCount);
    return {
      runs: () => runs,
      pageState: (page) => (exists(page) ? "present" : "absent"),
      read(address, length) {
        for (let page = Math.floor(address / PAGE_SIZE); page * PAGE_SIZE < address + length; page++)
          if (!exists(page)) throw new StopcodeError("memory/absent", `page ${page} is not there`);
        return pages.subarray(address, address + length);
      },
    };
  }

  private of(name: string): MemoryPartition {
    return this.all.find((one) => one.name === name)!;
  }
  async pause(name: string): Promise<void> {
    this.of(name).paused = true;
  }
  async resume(name: string): Promise<void> {
    this.of(name).paused = false;
  }
  async restart(name: string): Promise<void> {
    this.of(name).paused = false;
  }
  storageCounters() {
    return {};
  }
  dumpTaken(): void {}
  harm(): null {
    return null;
  }

  async selfDump(): Promise<null> {
    return null;
  }
  privatePages(name: string): readonly PageRun[] {
    return this.of(name).privatePages;
  }
  processors() {
    return [0, 1].map((index) => ({
      index,
      registers: { rip: 0xffff_f800_0000_1000n + BigInt(index), cr3: 0x1ad000n },
    }));
  }
  crashNote(name: string): CrashNote {
    return this.of(name).note;
  }
  console(name: string): string {
    return this.of(name).console;
  }
  nextEvent(): Promise<HostEvent> {
    return Promise.resolve({ kind: "finished", atSeconds: 60 });
  }
  partitionCounters() {
    return {};
  }

  counters() {
    return {};
  }
  async close(): Promise<void> {}

  // A machine of this kind has no hypervisor that could fail.
  async restartAll(): Promise<void> {}
  selfDiagnosis() {
    return {
      ...{ armed: [], steppedDown: [], preventingStart: [], cleanSessions: 0 },
      ...{ found: null, stops: [], damagedAtBoot: null },
    };
  }

  machineMemory(): PhysicalMemory {
    throw new StopcodeError("host/no-hypervisor", "the twin has no system physical memory");
  }
  partitionFrames(): readonly PartitionFrames[] {
    return [];
  }
  crashRegion(): CrashRegion | null {
    return null;
  }
}
