import { hex } from "../../binary/index.ts";
import type { Dump } from "../../dumpfile/index.ts";
import type { Facts, ModuleFact, ProcessFact } from "../facts.ts";
import { type KernelClock, readClock } from "./clock.ts";
import { crashFacts } from "./crash-facts.ts";
import { type CrashReport, findCrashReport } from "./crash-report.ts";
import { readCommandLine, readSystemNames } from "./identity.ts";
import { type LinuxKernel, openKernel } from "./kernel.ts";
import { type PrintkLog, readPrintkRing } from "./printk-ring.ts";
import { presentProcessors } from "./processors.ts";

/**
 * Everything that is known about a Linux kernel from its dump, without debug information. What the dump does not hold is
 * null, or partial where a list or the log breaks off (`log.complete`).
 * @throws StopcodeError `analysis/not-linux` when the dump has no physical memory or no VMCOREINFO
 */
export function linuxFacts(dump: Dump): Facts {
  const kernel = openKernel(dump);
  const log = readPrintkRing(kernel.memory, kernel.info);
  const report = findCrashReport(log?.records ?? []);
  const names = readSystemNames(kernel.memory, kernel.info);
  const processors = (kernel.symbols && presentProcessors(kernel.memory, kernel.symbols)) || dump.cpus.length || null;
  const clock = kernel.symbols && kernel.types && readClock(kernel.memory, kernel.symbols, kernel.types);
  const crash = crashFacts(kernel, report, dump.cpus);
  return {
    schema: "stopcode/facts/1",
    dump: {
      format: dump.format,
      bytes: dump.bytes,
      pages: dump.pages,
      complete: dump.complete,
      problems: [...dump.problems.map((problem) => ({ ...problem })), ...gaps(kernel, log)],
    },
    os: {
      family: "linux",
      release: kernel.info.text("OSRELEASE") ?? names.release,
      version: names.version,
      build: names.version,
      buildId: kernel.info.text("BUILD-ID"),
      commandLine: kernel.symbols && readCommandLine(kernel.memory, kernel.symbols),
    },
    machine: {
      arch: dump.arch,
      processors,
      hostname: names.hostname,
      uptimeSeconds: uptime(clock, log),
      crashedAt: crash.panicked ? crashedAt(kernel, clock, report) : null,
    },
    crash,
    modules: kernel.modules && moduleFacts(kernel),
    processes: kernel.tasks && processFacts(kernel),
    processors: dump.cpus.map(({ index, registers, source }) => ({
      index,
      source,
      registers: Object.fromEntries(Object.entries(registers).map(([name, value]) => [name, hex(value)])),
    })),
    log: {
      records: (log?.records ?? []).map(({ nanoseconds, level, text }) => ({
        seconds: nanoseconds / 1e9,
        level,
        text,
      })),
      complete: log?.complete ?? false,
    },
  };
}

/** What the dump should have told and does not: pages left out, or damage. */
function gaps(kernel: LinuxKernel, log: PrintkLog | null) {
  const found = {
    "log-partial": !log?.complete && "records of the kernel's log are missing",
    "no-symbols": !kernel.symbols && "the kernel's symbol table is not in the dump, or the kernel is older than 6.0",
    "symbols-partial": kernel.symbols?.complete === false && "part of the kernel's symbol table is missing",
    "no-types": kernel.symbols && !kernel.types && "the kernel's types (BTF) are not in the dump",
    "modules-partial": kernel.modules?.whole === false && "the list of modules breaks off",
    "tasks-partial": kernel.tasks?.whole === false && "the list of tasks breaks off",
  };
  return Object.entries(found).flatMap(([code, message]) => (message ? [{ code, message, offset: null }] : []));
}

function moduleFacts(kernel: LinuxKernel): ModuleFact[] {
  return (kernel.modules?.modules ?? []).map(({ name, base, size, taint }) => ({ name, base: hex(base), size, taint }));
}

function processFacts(kernel: LinuxKernel): ProcessFact[] {
  return (kernel.tasks?.tasks ?? []).map(({ address: _, ...task }) => task);
}

/** A panicked kernel may print on after its last tick, so the later of clock and log counts. */
function uptime(clock: KernelClock | null, log: PrintkLog | null): number | null {
  const logged = log?.records.at(-1)?.nanoseconds;
  if (!clock && logged === undefined) return null;
  return Math.max(clock?.monotonicSeconds ?? 0, (logged ?? 0) / 1e9);
}

function crashedAt(kernel: LinuxKernel, clock: KernelClock | null, report: CrashReport | null): string | null {
  const written = kernel.info.crashTime;
  const ticked = clock && (report ? clock.realSeconds - clock.monotonicSeconds + report.seconds : clock.realSeconds);
  const date = new Date((written ?? ticked ?? Number.NaN) * 1000);
  return Number.isNaN(date.getTime()) ? null : date.toISOString();
}
