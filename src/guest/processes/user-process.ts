import { PAGE_SIZE, Random } from "../../binary/index.ts";
import { eprocess, ethread } from "../../dumpfile/index.ts";
import type { Kernel } from "../kernel/kernel.ts";
import type { Services } from "../kernel/services.ts";
import { PAGE_KIND } from "../memory/page-table-entry.ts";
import { THREAD_STATE } from "../threads/thread.ts";
import { type DeviceRequests, startClientProcess } from "./client-process.ts";
import { type FileReads, type ProcessFiles, readFiles } from "./file-reads.ts";
import type { PageExchange } from "./page-exchange.ts";
import { type ProcessWork, Work } from "./work.ts";

/** A process with memory of its own, as a scenario asks for it. */
export interface UserProcess {
  readonly name: string;
  readonly memoryBytes: number;
  readonly private: boolean;
  /** A text that is put into several of its pages, and nowhere else. */
  readonly canary: string | null;
  /** What its thread does; null: it waits for something that never comes. */
  readonly work: ProcessWork | null;
  /** What a thread of it reads from files; null: it has none. */
  readonly reads: FileReads | null;
  /** What it asks of drivers before it ends; null: it asks nothing, and does not end. */
  readonly requests: DeviceRequests | null;
}

/** What a process is started with besides. */
export interface ProcessStart {
  readonly parent: number;
  readonly seed: number;
  /** Which it is among the processes that the guest is started with. */
  readonly number: number;
  readonly exchange: PageExchange;
  /** Where its files lie; null: it reads none. */
  readonly files: ProcessFiles | null;
}

const IMAGE_PAGES = 4;
const STACK_PAGES = 4;
/** Of the pages of a heap, one in so many holds data; the others are zeros. */
const DATA_EVERY = 4;
const CANARY_COPIES = 5;

/** Creates the process, fills its memory, and tells the hypervisor which of its pages are private. */
export function startUserProcess(
  kernel: Kernel,
  services: Services,
  wanted: UserProcess,
  { parent, seed, number, exchange, files }: ProcessStart,
): number {
  if (wanted.requests !== null) {
    const chance = new Random(seed, `requests ${number}`);
    const client = { ...wanted, requests: wanted.requests };
    startClientProcess(kernel, services, client, { parent: kernel.processes.withId(parent), random: chance });
    return parent;
  }
  const process = kernel.processes.create(wanted.name, parent);
  const random = new Random(seed, `process ${wanted.name}`);
  const frames: number[] = [];
  const map = (address: bigint, pages: number, kind: bigint): number[] =>
    Array.from({ length: pages }, (_, page) => {
      const frame = kernel.frames.takeZeroed();
      process.tables.map(address + BigInt(page * PAGE_SIZE), frame, kind);
      frames.push(frame);
      return frame;
    });
  const image = map(0x7ff6_0000_0000n + BigInt(random.below(0x1_0000)) * 0x1_0000n, IMAGE_PAGES, PAGE_KIND.userCode);
  for (const frame of image) fillPage(kernel, frame, random);
  const heap = map(
    0x0100_0000_0000n + BigInt(random.below(0x1000_0000)) * 0x1_0000n,
    Math.ceil(wanted.memoryBytes / PAGE_SIZE),
    PAGE_KIND.userData,
  );
  for (let page = 0; page < heap.length; page += DATA_EVERY) fillPage(kernel, heap[page]!, random);
  map(0x00d0_0000_0000n + BigInt(random.below(0x1_0000)) * 0x10_0000n, STACK_PAGES, PAGE_KIND.userData);
  const peb = 0x00cf_0000_0000n + BigInt(random.below(0x1000)) * 0x1000n;
  map(peb, 1, PAGE_KIND.userData);
  kernel.memory.put(eprocess, process.object, { peb });

  if (wanted.canary !== null) placeCanary(kernel, heap, wanted.canary, random);
  if (wanted.private) for (const [first, count] of runsOf(frames)) kernel.partition.markPrivate(first, count);

  const start = kernel.images.find("nt!PspUserThreadStartup");
  if (wanted.reads !== null && files !== null) {
    const reader = kernel.processes.createThread(process, start.address);
    reader.enter(start);
    const chance = new Random(seed, `files ${number}`);
    reader.routine = readFiles(kernel, services, reader, {
      wanted: wanted.reads,
      files,
      random: chance,
      name: wanted.name,
    });
    kernel.dispatcher.makeReady(reader);
  }
  const thread = kernel.processes.createThread(process, start.address);
  thread.enter(start);
  if (wanted.work !== null) {
    const work = new Work(kernel, process, wanted.work, { seed, number, exchange });
    thread.routine = work.routine(services, thread);
    kernel.dispatcher.makeReady(thread);
    return process.id;
  }
  services.enterWait(thread);
  kernel.memory.put(ethread, thread.object, { kernelStack: thread.rsp, state: THREAD_STATE.waiting });
  return process.id;
}

function fillPage(kernel: Kernel, frame: number, random: Random): void {
  const words = new Uint32Array(PAGE_SIZE / 4);
  for (let index = 0; index < words.length; index++) words[index] = random.word();
  kernel.physical.write(frame * PAGE_SIZE, new Uint8Array(words.buffer));
}

function placeCanary(kernel: Kernel, heap: readonly number[], canary: string, random: Random): void {
  const text = new TextEncoder().encode(canary);
  for (let copy = 0; copy < CANARY_COPIES; copy++) {
    const frame = heap[random.below(heap.length)]!;
    kernel.physical.write(frame * PAGE_SIZE + random.below(PAGE_SIZE - text.length), text);
  }
}

/** Consecutive frames as [first, count]. */
function runsOf(frames: readonly number[]): [number, number][] {
  const runs: [number, number][] = [];
  for (const frame of frames.toSorted((a, b) => a - b)) {
    const last = runs.at(-1);
    if (last && last[0] + last[1] === frame) last[1]++;
    else runs.push([frame, 1]);
  }
  return runs;
}
