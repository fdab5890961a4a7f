import { hex, Random, StopcodeError } from "../binary/index.ts";
import type { Partition } from "../hypervisor/index.ts";
import type { ArmedKernelCheck, CheckRequest, Procedure } from "./checks/armed-checks.ts";
import { askForChecks, readDiagnosis, type StoredDiagnosis, writeDiagnosis } from "./checks/diagnosis-store.ts";
import { armedIn, beginSession } from "./checks/stages.ts";
import type { DriverFile } from "./drivers/driver.ts";
import { type BootStorage, loadDrivers } from "./drivers/loader.ts";
import { STOP_CODE_NAMES } from "./faults/bug-check.ts";
import type { FaultHarm } from "./faults/harm.ts";
import { type MemoryFault, startMemoryFaults } from "./faults/memory-fault.ts";
import { Kernel } from "./kernel/kernel.ts";
import { BUILD_NUMBER } from "./kernel/release.ts";
import { Services } from "./kernel/services.ts";
import { OutOfPageFrames } from "./memory/page-frames.ts";
import type { PageExchange } from "./processes/page-exchange.ts";
import { startUserProcess, type UserProcess } from "./processes/user-process.ts";
import { POLL_TICKS, type SelfDump } from "./storage/crash-dump-stack.ts";
import type { FileDevice } from "./storage/file-device.ts";
import type { PageFileDevice } from "./storage/page-file-device.ts";
import { startStackSwapper } from "./threads/stack-swapper.ts";
import type { Routine } from "./threads/wait.ts";

/** What a guest is started with. */
export interface GuestOptions {
  readonly partition: Partition;
  /** Which start of the partition this is, from 1. */
  readonly boot: number;
  /** All that chance decides in this boot comes from it. */
  readonly seed: number;
  /** UTC. */
  readonly startedAt: Date;
  readonly systemPtes: number;
  readonly drivers: readonly DriverFile[];
  readonly processes: readonly UserProcess[];
  /** Where processes that share pages find those of other partitions. */
  readonly exchange: PageExchange;
  /** What to switch on for which stop code, besides the checks asked for from outside. */
  readonly procedures: readonly Procedure[];
  /** Where its page file lies; null: it has none. */
  readonly pageFile: PageFileDevice | null;
  readonly bootStorage: BootStorage;
  /** Where the files lie that its processes read, one process's behind another's. */
  readonly files: FileDevice;
  readonly memoryFaults: readonly MemoryFault[];
}

/** Processes that every Windows has; their memory is small here. */
const SYSTEM_PROCESSES = ["smss.exe", "csrss.exe", "services.exe", "lsass.exe"];
const SYSTEM_PROCESS_BYTES = 64 * 1024;

/** 1970-01-01 as FILETIME. */
const UNIX_EPOCH = 116_444_736_000_000_000n;

/**
 * A guest from power-on: it takes note of the stop code its last start left, switches on the checks that were asked for,
 * and only then loads drivers.
 */
export class Guest {
  /** Checks that are on. */
  readonly armed: readonly ArmedKernelCheck[];
  readonly #kernel: Kernel;
  /** The dump that it is writing of itself. */
  #dumping: Generator<undefined, SelfDump> | null = null;
  #selfDump: SelfDump | null = null;

  /** @throws StopcodeError `guest/out-of-memory` when the partition's memory does not hold what it is to run */
  constructor(options: GuestOptions) {
    const { partition } = options;
    const { boot, procedures, startedAt } = options;
    const at = BigInt(startedAt.getTime()) * 10_000n + UNIX_EPOCH;
    const drivers = options.drivers.map(({ name }) => name);
    const previous = readDiagnosis(partition.nonVolatile);
    const { state, told } = beginSession(previous, { boot, at, procedures, drivers });
    // At one blow: the last stop is taken note of, and what this session checks is decided. A stop from here on is one of this session.
    writeDiagnosis(partition.nonVolatile, state);
    this.armed = armedIn(state);
    const random = new Random(options.seed, `boot ${options.boot} of ${partition.name}`);
    this.#kernel = withinMemory(partition, () => {
      const kernel = new Kernel({
        partition,
        boot: options.boot,
        random,
        systemPtes: options.systemPtes,
        startedAt: at,
        pageFile: options.pageFile,
        armed: this.armed,
      });
      this.#greet(kernel, previous, told);
      start(kernel, options, random);
      startMemoryFaults(
        kernel,
        options.memoryFaults,
        new Random(options.seed, `memory of ${partition.name}, boot ${options.boot}`),
      );
      return kernel;
    });
  }

  /** When the next event is due, in 100 ns since the start; Infinity when none is. */
  get nextEvent(): number {
    const { clock } = this.#kernel;
    return this.#dumping === null ? clock.next : clock.now + POLL_TICKS;
  }

  /** 100 ns since the start. */
  get now(): number {
    return this.#kernel.clock.now;
  }

  /** What its faults have done; null: nothing yet. */
  get harm(): FaultHarm | null {
    return this.#kernel.harm.sum;
  }

  /** Records that armed checks have written. */
  get checkRecordsWritten(): number {
    return this.#kernel.checks.written;
  }

  /**
   * Lets the next event happen; it may be the last: see the partition's state.
   * @throws StopcodeError `guest/out-of-memory` when drivers use more memory than the partition has
   */
  step(): void {
    if (this.#dumping === null) withinMemory(this.#kernel.partition, () => this.#kernel.step());
    else this.#dumpOn(this.#dumping);
  }

  /**
   * Lets something happen in the guest at a moment of its clock (100 ns since its start), on the first processor, as an interrupt does. The moment
   * may not be before `now`.
   */
  interrupt(at: number, action: () => void): void {
    const { clock, memory, processors } = this.#kernel;
    clock.at(at, () => {
      memory.processor = processors[0]!.virtual;
      action();
    });
  }

  /** It is writing a dump of itself. */
  get isDumping(): boolean {
    return this.#dumping !== null;
  }

  /** How the dump that it wrote of itself has ended; null: none has. */
  get selfDump(): SelfDump | null {
    return this.#selfDump;
  }

  /**
   * Has a guest that stopped write a dump of itself, from a moment of its clock on; its steps are polls then, and nothing else happens any
   * more.
   */
  beginSelfDump(at: number): void {
    const { clock, crashDump } = this.#kernel;
    clock.now = at;
    if (crashDump === null)
      this.#selfDump = { bytes: 0, seconds: 0, failure: "it stopped before it could reach its page file" };
    else this.#dumping = crashDump.write();
  }

  #dumpOn(dumping: Generator<undefined, SelfDump>): void {
    this.#kernel.clock.now += POLL_TICKS;
    const { done, value } = dumping.next();
    if (done !== true) return;
    this.#dumping = null;
    this.#selfDump = value;
  }

  /** Puts what the processors run into the virtual processors' registers. */
  publish(): void {
    this.#kernel.publish();
  }

  #greet(kernel: Kernel, { state }: StoredDiagnosis, told: readonly string[]): void {
    const { physical, processors } = kernel;
    kernel.print(
      `Windows kernel model, build ${BUILD_NUMBER}: ${processors.length} processors, ${physical.pages * 4} KiB, ntoskrnl at ${hex(kernel.nt.base)}`,
    );
    if (state.stop !== null) {
      const { stopCode } = state.stop;
      kernel.print(`boot ${state.boot} ended in ${hex(stopCode)} ${STOP_CODE_NAMES[stopCode] ?? ""}`.trimEnd());
    }
    for (const line of told) kernel.print(line);
    for (const { check, target } of this.armed) kernel.print(`armed: ${check}${target ? ` for ${target}` : ""}`);
  }
}

/** Creates the processes, and the thread that loads the drivers. */
function start(kernel: Kernel, options: GuestOptions, random: Random): void {
  const { drivers, processes, seed, boot, partition, exchange, bootStorage } = options;
  const services = new Services(kernel);
  const own = (seed ^ Math.imul(boot, 0x9e37_79b1)) >>> 0;
  let parent = kernel.processes.system.id;
  for (const name of SYSTEM_PROCESSES) {
    const plain = {
      name,
      memoryBytes: SYSTEM_PROCESS_BYTES,
      private: false,
      canary: null,
      work: null,
      reads: null,
      requests: null,
    };
    parent = startUserProcess(kernel, services, plain, { parent, seed: own, number: 0, exchange, files: null });
  }
  let offset = 0;
  for (const [number, wanted] of processes.entries()) {
    const files = { device: options.files, offset };
    startUserProcess(kernel, services, wanted, { parent, seed: own, number, exchange, files });
    offset += wanted.reads?.files ?? 0;
  }
  if (options.pageFile !== null) {
    startBalanceSetManager(kernel, services);
    startStackSwapper(kernel, services);
  }
  const order = random.shuffle([...drivers]);
  const thread = kernel.processes.createThread(
    kernel.processes.system,
    kernel.images.find("nt!Phase1Initialization").address,
  );
  thread.routine = loadDrivers(kernel, services, thread, order, bootStorage, new Random(own, partition.name).word());
  kernel.dispatcher.makeReady(thread);
}

/** Seconds between two looks at what was used. */
const BALANCE_SECONDS = 1;

/** The thread that has pageable memory leave when it was not used for a second, and the stacks of threads that wait for long. */
function startBalanceSetManager(kernel: Kernel, services: Services): void {
  const { processes, images, dispatcher, pageable, stacks } = kernel;
  const thread = processes.createThread(processes.system, images.find("nt!KeBalanceSetManager").address);
  const routine = function* (): Routine {
    thread.enter(images.find("nt!KiStartSystemThread"));
    thread.enter(images.find("nt!PspSystemThreadStartup"), [], "SystemRoutine");
    thread.enter(images.find("nt!KeBalanceSetManager"), [], "StartRoutine");
    for (;;) {
      yield* services.keDelayExecutionThread(thread, BALANCE_SECONDS);
      pageable.trim();
      stacks.trim();
    }
  };
  thread.routine = routine();
  dispatcher.makeReady(thread);
}

function withinMemory<T>(partition: Partition, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof OutOfPageFrames)) throw error;
    throw new StopcodeError("guest/out-of-memory", `partition ${partition.name}: ${error.message}`, {
      hint: "give the partition more memory, or its processes and drivers less to hold",
    });
  }
}

/** Leaves for the partition's next start what it is to check besides what is armed. */
export function armForNextStart(partition: Partition, checks: readonly CheckRequest[]): void {
  askForChecks(partition.nonVolatile, checks);
}
