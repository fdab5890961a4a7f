import { writeFileSync } from "node:fs";
import * as Flags from "@oclif/core/flags";
import { prose, StopcodeCommand, storageBenchScreen } from "../../src/terminal/index.ts";

export default class BenchStorage extends StopcodeCommand {
  static override summary = "Compare disk schedulers on the same disk, load and streams";
  static override description =
    prose`Every policy runs on the same disk with the same requests: a load that keeps a number of requests open (or, by --utilisation,
whose requests arrive in their own time), and streams of 2.1 Mbit/s that ask for a period's worth at its beginning (128 KiB
where periods are 500 ms) and are due at its end. The first policy is the one that users get, the others are what it is
measured against.

The disk is the arm of an ST32171W over 31.3 GiB, or any that a DiskSim parameter file describes. A trace may be .vscsi,
DiskSim ascii, HP srt, MQSim text, a fio iolog or the output of blkparse, packed by gzip or not; without one, a load is made.

"interval" holds the true share of missed deadlines with a probability of 95 %: by Wilson's score for one run, which takes periods
for independent, and by how runs differ where --runs asks for several and that is wider. "latest" is how late the latest was.
"inversion" is how long a request waited in the mean while one of a lower class was served, "fairness" Jain's index over streams
of the share of its periods that each had in time, "queue" how many waited or were served in the mean. A deadline that passed
counts although its request still waits at the end. --json has latencies of each class.

"seek", "turn" and "transfer" are what the arm does: move, wait for the platters, read or write; shares of the time. All but
the last two columns is simulated, and the same on every machine. "dispatch" is the host's time to take in one request and
give out one with 128 waiting, "host" its time for a request, simulation and all.

The third table says how far a policy is from what is possible. Below a lower bound is no schedule: "missed" is what streams
lose even if all but the transfer took no time, and the "least" of a policy's seeks what the arm would have moved for the
same requests in the best order, inside each period (the longest, where there are several) or each ten of them. An estimate
can be passed, by a policy that makes neighbours one transfer, or the second by one that misses: what SPTF reaches, which
knows no deadlines, and the zero-miss ceiling, which is what the time that one sweep a period (the shortest) leaves is
enough for, if requests take as long as they take SPTF without streams. Where --utilisation says how many requests arrive,
there are no ceilings.

The last line is what it takes to simulate a disk and a solid-state device by themselves.`;
  static override examples = [
    "<%= config.bin %> <%= command.id %>",
    "<%= config.bin %> <%= command.id %> --trace cloudPhysicsIO.vscsi --streams 12 --streams 28 --svg latency.svg",
    "<%= config.bin %> <%= command.id %> --utilisation 60 --streams 12 --runs 5",
    "<%= config.bin %> <%= command.id %> --period 100 --period 250 --period 500 --variable-rate",
    "<%= config.bin %> <%= command.id %> --disk cheetah9LP.parv --only 'continuous media' --only mq-deadline --json",
  ];
  static override flags = {
    trace: Flags.string({
      multiple: true,
      helpValue: "FILE",
      summary: "A trace whose requests are the load; may be given more than once.",
    }),
    disk: Flags.string({ helpValue: "FILE", summary: "DiskSim parameters (.parv or .diskspecs) of the disk." }),
    only: Flags.string({
      multiple: true,
      helpValue: "POLICY",
      summary: "Run this policy alone; may be given more than once.",
    }),
    streams: Flags.integer({
      multiple: true,
      min: 0,
      max: 1000,
      helpValue: "N",
      summary: "Streams beside the load (12, 20 and 28); may be given more than once.",
    }),
    period: Flags.integer({
      multiple: true,
      min: 10,
      max: 60_000,
      helpValue: "MS",
      summary:
        "Milliseconds of the streams' periods (500); may be given more than once, and streams take them by turns.",
    }),
    "variable-rate": Flags.boolean({
      summary: "Streams ask for more at one time than at another, as video of a variable bit rate does.",
    }),
    depth: Flags.integer({
      min: 1,
      max: 4096,
      default: 32,
      helpValue: "N",
      summary: "Requests that the load keeps open.",
    }),
    utilisation: Flags.integer({
      min: 1,
      max: 200,
      exclusive: ["depth"],
      helpValue: "PERCENT",
      summary:
        "Requests arrive in their own time, as fast as keeps a disk without streams busy so much in order of arrival.",
    }),
    seconds: Flags.integer({
      min: 1,
      max: 1_000_000,
      default: 60,
      helpValue: "N",
      summary: "Simulated seconds of each run.",
    }),
    seed: Flags.integer({ default: 1, helpValue: "N", summary: "Seed of where streams lie and when they begin." }),
    runs: Flags.integer({
      min: 1,
      max: 20,
      default: 1,
      helpValue: "N",
      summary: "Runs of each policy, with this seed and those after it, taken together.",
    }),
    svg: Flags.string({ helpValue: "FILE", summary: "Write a plot of the latency of reads against streams." }),
  };

  async run() {
    const { flags } = await this.parse(BenchStorage);
    const { benchStorage, storagePlot } = await import("../../src/bench/index.ts");
    const { depth, seconds, seed, runs } = flags;
    const bench = benchStorage(
      {
        traces: flags.trace ?? [],
        disk: flags.disk ?? null,
        policies: flags.only ?? [],
        streams: flags.streams ?? [12, 20, 28],
        periods: flags.period ?? [500],
        isVariable: flags["variable-rate"],
        depth,
        utilisation: flags.utilisation ?? null,
        seconds,
        seed,
        runs,
      },
      (progress) => this.progress.step({ phase: progress.what, ...progress }),
    );
    if (flags.svg !== undefined) writeFileSync(flags.svg, storagePlot(bench));
    return this.answer(bench, storageBenchScreen);
  }
}
