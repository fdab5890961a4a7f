import { PAGE_SIZE } from "../../../binary/index.ts";
import { MOST_PROCESSES, workBytes } from "../../../guest/index.ts";
import { HYPERVISOR } from "../../host.ts";
import type { Scenario, ScenarioPartition } from "./schema.ts";

/** Something that each part of a scenario may say, but not all of them together. */
export interface Contradiction {
  readonly code: string;
  readonly message: string;
  readonly path: readonly (string | number)[];
  readonly hint: string;
}

/** What a kernel takes for itself: images, page tables, the page-frame database, pools, processes of its own. */
const KERNEL_BYTES = 8 * 2 ** 20;

const bytesOf = ({ memory, count, work }: ScenarioPartition["processes"][number]) =>
  count * (memory + (work === undefined ? 0 : workBytes(work)));

const mebibytes = (bytes: number) => `${Math.ceil(bytes / 2 ** 20)} MiB`;

/** What the schema cannot say: names are unique, memory suffices, and what is expected can happen. */
export function contradictions(scenario: Scenario): Contradiction[] {
  const { partitions, host, dumpPartition, expect } = scenario;
  const found: Contradiction[] = [];
  const names = new Set([dumpPartition.name, HYPERVISOR]);
  partitions.forEach(({ name, memory, drivers, processes, owners }, index) => {
    if (names.has(name))
      found.push({
        code: "scenario/name-taken",
        message: `there is a partition ${name} already`,
        path: ["partitions", index, "name"],
        hint: "give every partition a name of its own; the dump partition and the hypervisor have one too",
      });
    names.add(name);
    const used = processes.reduce((sum, process) => sum + bytesOf(process), KERNEL_BYTES);
    if (used > memory)
      found.push({
        code: "scenario/partition-memory",
        message: `partition ${name} has ${mebibytes(memory)}; its kernel and its processes need ${mebibytes(used)}`,
        path: ["partitions", index, "memory"],
        hint: "give the partition more memory, or its processes less",
      });
    drivers.forEach((driver, position) => {
      if (drivers.findIndex((other) => other.name === driver.name) !== position)
        found.push({
          code: "scenario/name-taken",
          message: `partition ${name} has a driver ${driver.name} already`,
          path: ["partitions", index, "drivers", position, "name"],
          hint: "give every driver of a partition a name of its own",
        });
    });
    found.push(...bootStorageOf(scenario, index));
    found.push(...removedOf(scenario, index));
    found.push(...sleepersOf(scenario, index));
    if (processes.reduce((sum, { count }) => sum + count, 0) > MOST_PROCESSES)
      found.push({
        code: "scenario/process-count",
        message: `partition ${name} is to have more than ${MOST_PROCESSES} processes`,
        path: ["partitions", index, "processes"],
        hint: "make fewer of them, or more partitions",
      });
    processes.forEach((process, position) => {
      found.push(...sharingOf(scenario, index, position));
      found.push(...requestsOf(scenario, index, position));
      if (process.private && owners.length === 0)
        found.push({
          code: "scenario/no-owner",
          message: `${process.name} is private, but partition ${name} has no owners to seal its pages for`,
          path: ["partitions", index, "processes", position, "private"],
          hint: "add `owners:` with an age recipient to the partition",
        });
    });
  });
  const { hypervisorFault } = scenario;
  if (hypervisorFault && partitions.every(({ engine }) => engine !== "shadow"))
    found.push({
      code: "scenario/no-shadow",
      message: `no partition runs on shadow page tables, where ${hypervisorFault.kind} could happen`,
      path: ["hypervisorFault"],
      hint: "give a partition `engine: shadow`",
    });
  found.push(...diskFaultsOf(scenario));
  const needed = partitions.reduce((sum, { memory }) => sum + memory, dumpPartition.memory);
  if (needed > host.memory)
    found.push({
      code: "scenario/host-memory",
      message: `the partitions need ${mebibytes(needed)}, the host has ${mebibytes(host.memory)}`,
      path: ["host", "memory"],
      hint: "give the host more memory, or the partitions less",
    });
  expect.forEach(({ partition, culprit }, index) => {
    if (partition === HYPERVISOR) return;
    const subject = partitions.find(({ name }) => name === partition);
    if (!subject)
      found.push({
        code: "scenario/unknown-partition",
        message: `there is no partition ${partition}`,
        path: ["expect", index, "partition"],
        hint: `there are: ${partitions.map(({ name }) => name).join(", ")}`,
      });
    else if (culprit?.endsWith(".sys") && !subject.drivers.some(({ name }) => name === culprit))
      found.push({
        code: "scenario/unknown-driver",
        message: `partition ${partition} has no driver ${culprit}`,
        path: ["expect", index, "culprit"],
        hint: `it has: ${subject.drivers.map(({ name }) => name).join(", ")}`,
      });
  });
  return found;
}

/** A dump that a guest writes of itself has a place to go, and nothing in it that must not reach a disk in clear. */
function bootStorageOf({ partitions }: Scenario, index: number): Contradiction[] {
  const { name, selfDump, adapterDriver, pageFile, stateless, processes, drivers } = partitions[index]!;
  const found: Contradiction[] = [];
  if (adapterDriver !== undefined && !drivers.some((driver) => driver.name === adapterDriver))
    found.push({
      code: "scenario/unknown-driver",
      message: `partition ${name} has no driver ${adapterDriver}`,
      path: ["partitions", index, "adapterDriver"],
      hint: `it has: ${drivers.map((driver) => driver.name).join(", ")}`,
    });
  if (!selfDump) return found;
  const path = ["partitions", index, "selfDump"] as const;
  if (pageFile === undefined)
    found.push({
      code: "scenario/no-page-file",
      message: `partition ${name} has no page file to write a dump of itself into`,
      path,
      hint: "give it a `pageFile:`",
    });
  if (stateless || processes.some((process) => process.private))
    found.push({
      code: "scenario/self-dump-in-clear",
      message: `partition ${name} ${stateless ? "is stateless" : "has private pages"}, and a dump of itself would leave all of its memory in clear on the disk`,
      path,
      hint: "leave the dump to the agent outside, which keeps the policy",
    });
  return found;
}

/** A partition has one process that shares pages, and it shares them with partitions that are there and offer some. */
function sharingOf({ partitions }: Scenario, index: number, position: number): Contradiction[] {
  const { name, processes } = partitions[index]!;
  const share = processes[position]!.work?.share;
  if (share === undefined) return [];
  const path = ["partitions", index, "processes", position, "work", "share"] as const;
  const found: Contradiction[] = [];
  const sharing = processes.filter(({ work }) => work?.share !== undefined);
  if (sharing.length > 1 || processes[position]!.count > 1)
    found.push({
      code: "scenario/one-exchange",
      message: `partition ${name} has more than one process that shares pages`,
      path,
      hint: "a partition offers the pages of one process: give the others no `share`",
    });
  share.with.forEach((peer, place) => {
    const other = partitions.find((one) => one.name === peer);
    const pages = other?.processes.find(({ work }) => work?.share !== undefined)?.work?.share?.pages;
    if (peer !== name && pages === share.pages) return;
    found.push({
      code: "scenario/no-exchange",
      message:
        pages === undefined || peer === name
          ? `partition ${name} cannot share pages with ${peer}`
          : `partition ${peer} shares ${pages} pages at a time, ${name} shares ${share.pages}`,
      path: [...path, "with", place],
      hint: "name other partitions, each with a process that shares as many pages",
    });
  });
  return found;
}

/** Who is removed was there. */
function removedOf({ partitions }: Scenario, index: number): Contradiction[] {
  const { name, drivers, removedDrivers } = partitions[index]!;
  return removedDrivers.flatMap((removed, position) => {
    if (drivers.some((driver) => driver.name === removed.name)) return [];
    return [
      {
        code: "scenario/unknown-driver",
        message: `partition ${name} has no driver ${removed.name} to remove`,
        path: ["partitions", index, "removedDrivers", position, "name"],
        hint: `it has: ${drivers.map((driver) => driver.name).join(", ")}`,
      },
    ];
  });
}

/** A process that asks drivers for something asks those of its partition that take requests, and does nothing else. */
function requestsOf({ partitions }: Scenario, index: number, position: number): Contradiction[] {
  const { name, drivers, processes } = partitions[index]!;
  const process = processes[position]!;
  if (process.requests === undefined) return [];
  const path = ["partitions", index, "processes", position, "requests"] as const;
  const able = drivers.flatMap((driver) => (driver.behaviour === "direct-io" ? [driver.name] : []));
  const found: Contradiction[] = process.requests.drivers.flatMap((driver, place) =>
    able.includes(driver)
      ? []
      : [
          {
            code: "scenario/unknown-driver",
            message: `partition ${name} has no driver ${driver} that takes requests`,
            path: [...path, "drivers", place],
            hint: `these do: ${able.join(", ") || "none; direct-io is a behaviour that does"}`,
          },
        ],
  );
  if (process.private || process.canary !== undefined || process.work !== undefined || process.reads !== undefined)
    found.push({
      code: "scenario/process-ends",
      message: `${process.name} sends requests and ends, so it can have no private pages, no canary and no other work`,
      path,
      hint: "give the other to a process of its own",
    });
  return found;
}

/** A device that is to sleep is that of another driver of the partition, one which has a device. */
function sleepersOf({ partitions }: Scenario, index: number): Contradiction[] {
  const { name, drivers } = partitions[index]!;
  const devices = drivers.flatMap((driver) => (driver.behaviour === "lost-power-irp" ? [driver.name] : []));
  return drivers.flatMap((driver, position) => {
    if (driver.behaviour !== "idle-power-down" || devices.includes(driver.options.device)) return [];
    return [
      {
        code: "scenario/unknown-driver",
        message: `partition ${name} has no driver ${driver.options.device} with a device that can sleep`,
        path: ["partitions", index, "drivers", position, "options", "device"],
        hint: `these have one: ${devices.join(", ") || "none; lost-power-irp is a behaviour with a device"}`,
      },
    ];
  });
}

/** A page that is to fail lies in the page file of a partition that has one. */
function diskFaultsOf({ partitions, diskFaults }: Scenario): Contradiction[] {
  return diskFaults.flatMap((fault, index) => {
    if (!("page" in fault)) return [];
    const withPageFile = partitions.filter(({ pageFile }) => pageFile !== undefined);
    const owner = withPageFile.find(({ name }) => name === (fault.partition ?? withPageFile[0]?.name));
    const pages = (owner?.pageFile ?? 0) / PAGE_SIZE;
    if (fault.page < pages) return [];
    const message = owner
      ? `the page file of ${owner.name} has ${pages} pages, and none of number ${fault.page}`
      : `there is no page file${fault.partition === undefined ? "" : ` of a partition ${fault.partition}`}`;
    const hint = owner
      ? "pages are counted from 0"
      : `these have one: ${withPageFile.map(({ name }) => name).join(", ") || "none; give a partition `pageFile`"}`;
    return [{ code: "scenario/no-page-file", message, path: ["diskFaults", index], hint }];
  });
}
