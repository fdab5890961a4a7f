import type { Btf } from "./btf.ts";
import type { Kallsyms } from "./kallsyms.ts";
import type { KernelMemory } from "./kernel-memory.ts";
import { listEntries } from "./linked-list.ts";

/** PID_MAX_LIMIT of 64-bit kernels. */
const LARGEST_PID = 1 << 22;
/** Entries of all lists walked: machines with more tasks are rarer than damaged lists. */
const MOST_TASKS = 1 << 19;
const COMM_BYTES = 16;

export interface Task {
  /** Address of its task_struct. */
  readonly address: bigint;
  readonly pid: number;
  readonly tgid: number;
  /** tgid of its real parent. */
  readonly parent: number | null;
  readonly name: string;
  /** As ps prints it: R, S, D, T, t, X, Z, P, I. Null when its page is missing. */
  readonly state: string | null;
  readonly kernelThread: boolean | null;
  /** The processor it runs on or last ran on. */
  readonly processor: number | null;
}

export interface TaskList {
  /** By pid, threads among them. */
  readonly tasks: readonly Task[];
  readonly whole: boolean;
}

/**
 * All tasks but the idle ones: the group leaders on init_task's list, and the threads of each on its signal_struct's
 * (task_struct.thread_group is gone since 6.7). Null without the types to read them. Source: linux-vmcore.md section 8.
 */
export function readTasks(memory: KernelMemory, symbols: Kallsyms, types: Btf): TaskList | null {
  const initTask = symbols.address("init_task");
  const fields = fieldsOf(types);
  if (initTask === null || fields === null) return null;
  const leaders = listEntries(memory, initTask + fields.tasks, MOST_TASKS);
  const tasks = new Map<bigint, Task>();
  let whole = leaders.whole;
  let room = MOST_TASKS;
  const add = (address: bigint) => {
    if (tasks.has(address)) return;
    const task = readTask(memory, fields, address);
    if (task) tasks.set(address, task);
    else whole = false;
  };
  for (const entry of leaders.entries) {
    const leader = BigInt.asUintN(64, entry - fields.tasks);
    add(leader);
    const signal = memory.u64(leader + fields.signal);
    const threads = signal && room > 0 ? listEntries(memory, signal + fields.threadHead, room) : null;
    room -= threads?.entries.length ?? 0;
    if (!threads?.whole) whole = false;
    for (const thread of threads?.entries ?? []) add(BigInt.asUintN(64, thread - fields.threadNode));
  }
  return { tasks: [...tasks.values()].sort((a, b) => a.pid - b.pid), whole };
}

/** Reads one task_struct. Null when even its ids or its name are not there. */
export function readTaskAt(memory: KernelMemory, types: Btf, address: bigint): Task | null {
  const fields = fieldsOf(types);
  return fields && readTask(memory, fields, address);
}

type Fields = NonNullable<ReturnType<typeof fieldsOf>>;

function fieldsOf(types: Btf) {
  const offset = (member: string, structure = "task_struct") => {
    const found = types.offset(structure, member);
    return found === null ? null : BigInt(found);
  };
  const [tasks, pid, tgid, comm] = [offset("tasks"), offset("pid"), offset("tgid"), offset("comm")];
  const [state, exitState, mm, parent] = [offset("__state"), offset("exit_state"), offset("mm"), offset("real_parent")];
  const [signal, threadNode] = [offset("signal"), offset("thread_node")];
  const threadHead = offset("thread_head", "signal_struct");
  if (tasks === null || pid === null || tgid === null || comm === null || state === null || mm === null) return null;
  if (parent === null || signal === null || threadNode === null || threadHead === null) return null;
  const processor = offset("thread_info.cpu");
  return { tasks, pid, tgid, comm, state, exitState, mm, parent, signal, threadNode, threadHead, processor };
}

function readTask(memory: KernelMemory, fields: Fields, address: bigint): Task | null {
  const pid = memory.i32(address + fields.pid);
  const tgid = memory.i32(address + fields.tgid);
  const name = memory.text(address + fields.comm, COMM_BYTES);
  if (pid === null || tgid === null || name === null || pid < 0 || pid > LARGEST_PID) return null;
  const parent = memory.u64(address + fields.parent);
  const state = memory.u32(address + fields.state);
  const exitState = fields.exitState === null ? 0 : (memory.u32(address + fields.exitState) ?? 0);
  const mm = memory.u64(address + fields.mm);
  return {
    address,
    pid,
    tgid,
    parent: parent ? memory.i32(parent + fields.tgid) : null,
    name,
    state: state === null ? null : stateLetter(state, exitState),
    kernelThread: mm === null ? null : mm === 0n,
    processor: fields.processor === null ? null : memory.u32(address + fields.processor),
  };
}

/** TASK_REPORT: the bits that show, from "S" for bit 0 up; the highest that is set names the state. */
const REPORTED = 0x7f;
const LETTERS = "RSDTtXZP";
/** TASK_IDLE: TASK_UNINTERRUPTIBLE that does not count as load. */
const IDLE = 0x402;
/** TASK_RTLOCK_WAIT and TASK_FROZEN show as uninterruptible. */
const RTLOCK_WAIT = 0x1000;
const FROZEN = 0x8000;

/** The kernel's task_state_index. */
export function stateLetter(state: number, exitState: number): string {
  if ((state & IDLE) === IDLE) return "I";
  if (state & (RTLOCK_WAIT | FROZEN)) return "D";
  return LETTERS[32 - Math.clz32((state | exitState) & REPORTED)]!;
}
