import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { StopcodeError } from "../../../src/binary/index.ts";
import {
  MQSIM_QUEUED,
  parseMeasuredDrive,
  readBlockTrace,
  readDisk,
  readSyntheticWorkload,
  replay,
  runQueued,
  runSynthetic,
  type SyntheticWorkload,
} from "../../../src/storage/index.ts";
import { DATA_SHEETS, deviation } from "./data-sheets.ts";
import { measureFigure } from "./device-figure.ts";

/**
 * `npm run conformance:storage`: every drive of DiskSim's validation set that is there is sent what the real one was sent, and the
 * distribution of service times compared with the measured one. Without arguments, the drives of the shared data; with
 * arguments, those of the parameter files named (`NAME.parv`, with `NAME.trace` beside it, or the trace as `NAME.parv=FILE`). A file
 * without a trace that makes requests up is run as DiskSim runs it, and the mean of the answers compared with DiskSim's own. Exits with 1
 * where a drive is farther from the measurement than 1.25 times DiskSim itself, more than one drive in seven is farther than DiskSim, a
 * mean is more than 1 % from DiskSim's, or a mean of MQSim's traces more than 10 % from its own.
 */

/** DiskSim's own distances in milliseconds (DiskSim 4.0 reference manual, "Validation"), by the name in the parameter file. */
const PUBLISHED: Readonly<Record<string, number>> = {
  QUANTUM_QM39100TD: 0.378,
  SEAGATE_ST32171W: 0.349,
  SEAGATE_ST34501N: 0.318,
  SEAGATE_ST39102LW: 0.107,
  "IBM_DNES-309170W": 0.135,
  QUANTUM_TORNADO: 0.268,
  HP_C2247: 0.09,
  HP_C3323: 0.306,
  HP_C2490: 0.254,
  DEC_RZ26: 0.34,
};
/**
 * Means of DiskSim's synthetic workloads in milliseconds, by the file that makes them up. With six decimals: DiskSim 4.0, built from its
 * sources and run on that file; otherwise as published (storage.md A), in three digits. For `synthsimpledisk` 13.5 is published.
 */
const SYNTHETIC: Readonly<Record<string, number>> = {
  synthopen: 10.937386,
  "3disks": 10.937386,
  "3disks2": 10.937386,
  synthsimpledisk: 13.711596,
  synthclosed: 87.6,
  synthmixed: 22.08,
};
const MEAN_MOST = 0.01;
/** Microseconds, by trace: MQSim (7ec40e3), built from its sources and run with its own ssdconfig.xml and a write cache. */
const MQSIM: Readonly<Record<string, number>> = { "tpcc-small": 3458, "wsrch-small": 181 };
const MQSIM_MOST = 0.1;
const WORST = 1.25;
/** The share of a published figure by which a solid-state device may differ from it. */
const SHEET_MOST = 0.05;
const SHARE_BETTER = 6 / 7;

const SHARED = new URL("../../../../shared/data/traces/disksim-valid/", import.meta.url).pathname;

function drives(named: readonly string[]): { parameters: string; trace: string }[] {
  const files =
    named.length > 0
      ? named
      : readdirSync(SHARED)
          .filter((name) => name.endsWith(".parv"))
          .map((name) => join(SHARED, name));
  return files
    .map((name) => {
      const [parameters, trace] = name.split("=") as [string, string?];
      return {
        parameters,
        trace: trace ?? join(dirname(parameters), `${basename(parameters).replace(/\.\w+$/, "")}.trace`),
      };
    })
    .filter(
      ({ parameters, trace }) => named.length > 0 || (existsSync(trace) && basename(parameters) !== "ascii.parv"),
    );
}

/** The workload of a file; null: it makes none up, or one for parts that are not there, and a message says so. */
function workloadOf(parameters: string): SyntheticWorkload | null {
  try {
    return readSyntheticWorkload(parameters);
  } catch (error) {
    if (!(error instanceof StopcodeError)) throw error;
    process.stdout.write(`${basename(parameters)}: not run; ${error.message}\n`);
    return null;
  }
}

/** @returns the share by which the mean is away from DiskSim's, where that is known */
function runWorkload(parameters: string): number | undefined {
  const workload = workloadOf(parameters);
  if (workload === null) return undefined;
  const { requests, mean } = runSynthetic(workload);
  const published = SYNTHETIC[basename(parameters).replace(/\.\w+$/, "")];
  const away = published === undefined ? undefined : mean / published - 1;
  const beside =
    away === undefined ? "DiskSim's is not known" : `DiskSim ${published} ms, ${(away * 100).toFixed(2)} % away`;
  process.stdout.write(`${basename(parameters)}: ${requests} made requests, mean ${mean.toFixed(3)} ms; ${beside}\n`);
  return away;
}

const named = process.argv.slice(2);
const workloads = (
  named.length > 0
    ? named.filter((name) => !name.includes("=") && !existsSync(name.replace(/\.\w+$/, ".trace")))
    : Object.keys(SYNTHETIC).map((name) => join(SHARED, `${name}.parv`))
).filter(existsSync);
const away = workloads.map(runWorkload).filter((share) => share !== undefined);
const ratios: number[] = [];
for (const { parameters, trace } of drives(named).filter(({ parameters }) => !workloads.includes(parameters))) {
  const disk = readDisk(parameters);
  const { requests, meanMeasured, meanSimulated, distance } = replay(
    disk,
    parseMeasuredDrive(readFileSync(trace, "utf8"), trace),
  );
  const published = Object.entries(PUBLISHED).find(([name]) => disk.name.toUpperCase().startsWith(name))?.[1];
  const ratio = published === undefined ? undefined : distance / published;
  if (ratio !== undefined) ratios.push(ratio);
  const beside =
    published === undefined ? "DiskSim's is not published" : `DiskSim ${published} ms, ${ratio!.toFixed(2)}x of it`;
  const means = `means ${meanMeasured.toFixed(2)} measured, ${meanSimulated.toFixed(2)} simulated`;
  process.stdout.write(`${disk.name}: ${requests} requests, distance ${distance.toFixed(3)} ms; ${beside}; ${means}\n`);
}
const better = ratios.filter((ratio) => ratio <= 1).length;
if (ratios.length > 0)
  process.stdout.write(
    `${better} of ${ratios.length} at or below DiskSim's distance, the worst ${Math.max(...ratios).toFixed(2)}x of it\n`,
  );
const areDrivesNear = better >= Math.floor(ratios.length * SHARE_BETTER) && ratios.every((ratio) => ratio <= WORST);
process.exitCode = areDrivesNear && away.every((share) => Math.abs(share) <= MEAN_MOST) ? 0 : 1;

if (process.argv.length <= 2) {
  process.stdout.write("\na solid-state device with queues beside MQSim\n");
  for (const [name, published] of Object.entries(MQSIM)) {
    const { requests } = readBlockTrace(join(SHARED, "..", "mqsim", `${name}.trace`));
    const { mean, meanRead, meanWrite } = runQueued(MQSIM_QUEUED, requests);
    const away = mean / published - 1;
    process.stdout.write(
      `${name}: ${requests.length} requests, mean ${mean.toFixed(1)} us (reads ${meanRead.toFixed(1)}, writes ${meanWrite.toFixed(1)}); ` +
        `MQSim ${published} us, ${(away * 100).toFixed(1)} % away\n`,
    );
    if (Math.abs(away) > MQSIM_MOST) process.exitCode = 1;
  }
  process.stdout.write("\nsolid-state devices beside their data sheets\n");
  const rows = DATA_SHEETS.map(({ device, what, task, of, published }) => {
    const figure = measureFigure(device, task)[of];
    const away = deviation(figure, published);
    const unit = {
      iops: "requests/s",
      megabytes: "MB/s",
      microseconds: "us",
      microsecondsOfMost: "us",
      amplification: "",
    }[of];
    const sheet = published[0] === published[1] ? published[0] : published.join(" to ");
    process.stdout.write(
      `${device.name}, ${what}: ${figure.toFixed(1)} ${unit}, published ${sheet}, ${(away * 100).toFixed(1)} % away\n`,
    );
    return away;
  });
  const within = rows.filter((away) => away <= SHEET_MOST).length;
  process.stdout.write(`${within} of ${rows.length} rows within ${SHEET_MOST * 100} %\n`);
  if (within < rows.length) process.exitCode = 1;
}
