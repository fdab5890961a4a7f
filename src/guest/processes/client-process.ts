import { z } from "zod";
import { PAGE_SIZE, type Random } from "../../binary/index.ts";
import type { Kernel } from "../kernel/kernel.ts";
import type { Process } from "../kernel/process-table.ts";
import type { Services } from "../kernel/services.ts";
import { PAGE_KIND } from "../memory/page-table-entry.ts";
import { duration, rate } from "../quantities.ts";
import type { Thread } from "../threads/thread.ts";
import type { Routine } from "../threads/wait.ts";

const MOST_PAGES_OF_A_REQUEST = 8;
/** Where its buffers lie: the low half of every process is its own. */
const BUFFERS = 0x0300_0000_0000n;

/** What a process asks of drivers, as a scenario asks for it. */
export const deviceRequests = z.strictObject({
  drivers: z.array(z.string()).min(1).max(4).meta({
    description: "Drivers whose devices it sends buffers of its own to, each by a thread of its own",
  }),
  rate: rate.prefault("20 per second").meta({ description: "Requests to each" }),
  lifetime: duration.prefault("6 s").meta({
    description: "How long it lives; soon after it has ended, it is started again",
  }),
});

export type DeviceRequests = z.output<typeof deviceRequests>;

export interface ClientProcess {
  readonly name: string;
  readonly memoryBytes: number;
  readonly requests: DeviceRequests;
}

/** The thread of a parent that starts the process, waits until it ends, and starts it again. */
export function startClientProcess(
  kernel: Kernel,
  services: Services,
  wanted: ClientProcess,
  { parent, random }: { readonly parent: Process; readonly random: Random },
): void {
  const start = kernel.images.find("nt!PspUserThreadStartup");
  const thread = kernel.processes.createThread(parent, start.address);
  thread.enter(start);
  const routine = function* (): Routine {
    for (;;) {
      yield* services.delayInUserMode(thread, random.between(0.2, 1));
      let ended = () => {};
      thread.call(kernel.images.find("nt!NtCreateUserProcess"), [], () => {
        new Client(kernel, services, wanted, { parent, random, ended: () => ended() });
      });
      yield* services.keWaitForSingleObject(thread, (wake) => {
        ended = wake;
      });
    }
  };
  thread.routine = routine();
  kernel.dispatcher.makeReady(thread);
}

/** One life of such a process. */
class Client {
  readonly #kernel: Kernel;
  readonly #services: Services;
  readonly #wanted: ClientProcess;
  readonly #random: Random;
  readonly #process: Process;
  readonly #pages: number;
  readonly #ended: () => void;
  /** Seconds since the guest's start. */
  readonly #until: number;
  #threads: number;

  constructor(
    kernel: Kernel,
    services: Services,
    wanted: ClientProcess,
    start: { readonly parent: Process; readonly random: Random; readonly ended: () => void },
  ) {
    const { drivers, lifetime } = wanted.requests;
    this.#kernel = kernel;
    this.#services = services;
    this.#wanted = wanted;
    this.#random = start.random;
    this.#ended = start.ended;
    this.#process = kernel.processes.create(wanted.name, start.parent.id);
    this.#pages = wanted.memoryBytes / PAGE_SIZE;
    const frames = Array.from({ length: this.#pages }, () => kernel.frames.takeZeroed());
    this.#process.tables.mapRun(BUFFERS, frames, PAGE_KIND.userData);
    this.#until = kernel.seconds + lifetime * start.random.between(0.8, 1.2);
    this.#threads = drivers.length;
    const entry = kernel.images.find("nt!PspUserThreadStartup");
    for (const driver of drivers) {
      const thread = kernel.processes.createThread(this.#process, entry.address);
      thread.enter(entry);
      thread.routine = this.#ask(thread, driver);
      kernel.dispatcher.makeReady(thread);
    }
  }

  *#ask(thread: Thread, driver: string): Routine {
    const { rate } = this.#wanted.requests;
    while (this.#kernel.seconds < this.#until) {
      yield* this.#services.delayInUserMode(thread, this.#random.between(0.5, 1.5) / rate);
      const pages = 1 + this.#random.below(Math.min(MOST_PAGES_OF_A_REQUEST, this.#pages));
      const buffer = BUFFERS + BigInt(this.#random.below(this.#pages - pages + 1) * PAGE_SIZE);
      yield* this.#services.ntDeviceIoControlFile(thread, driver, buffer, pages * PAGE_SIZE);
    }
    if (--this.#threads === 0) this.#end(thread);
  }

  #end(thread: Thread): void {
    const { images, processes, frames } = this.#kernel;
    const { object, tables } = this.#process;
    for (const name of ["NtTerminateProcess", "PspExitThread", "MmCleanProcessAddressSpace"])
      thread.enter(images.find(`nt!${name}`), [object]);
    this.#services.locks.mustBeNone(thread, object);
    for (let page = 0; page < this.#pages; page++) {
      const frame = tables.unmap(BUFFERS + BigInt(page * PAGE_SIZE));
      if (frame !== null) frames.give(frame);
    }
    processes.end(this.#process);
    this.#ended();
  }
}
