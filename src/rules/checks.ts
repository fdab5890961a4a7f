/**
 * The checks a finding may ask for, and what an administrator of a real machine would do to switch each one on.
 * A guest or host that this project emulates applies them itself at its next start; elsewhere `how` is the instruction.
 */
export interface Check {
  readonly summary: string;
  /** Who has to start again: the partition that failed, or the machine. */
  readonly appliedBy: "guest" | "host";
  /** The command or setting; `driver` is null when the whole system is meant. */
  how(driver: string | null): string;
  /** Where the public documentation says so. */
  readonly source: string;
}

const MEMORY_MANAGEMENT = "HKLM\\SYSTEM\\CurrentControlSet\\Control\\Session Manager\\Memory Management";

/** Driver Verifier takes what to check and drivers by file name; both take effect at the next start. */
const verifier = (what: string) => (driver: string | null) =>
  `verifier ${what} ${driver === null ? "/all" : `/driver ${driver}`}`;

const registryDword = (name: string, value: number) => () =>
  `reg add "${MEMORY_MANAGEMENT}" /v ${name} /t REG_DWORD /d ${value}, then restart`;

/** Bytes that Windows counts to a block's size. */
const POOL_HEADER_BYTES = 16;

/** The registry's value for a target that is no driver: `tag:Rcrd`, or `size:193-208`. Windows has one name for both. Null for a driver. */
function poolTagSetting(target: string): string | null {
  const tag = /^tag:(.{1,4})$/.exec(target)?.[1];
  const most = /^size:\d+-(\d+)$/.exec(target)?.[1];
  if (tag !== undefined) return registryDword("PoolTag", Buffer.from(tag.padEnd(4)).readUInt32LE())();
  return most === undefined ? null : registryDword("PoolTag", Number(most) + POOL_HEADER_BYTES)();
}

/** Special pool for a driver, for all, or for what a tag or a size says. */
const specialPool = (target: string | null): string =>
  (target === null ? null : poolTagSetting(target)) ?? verifier("/flags 0x1")(target);

export const checks: Readonly<Record<string, Check>> = {
  "pte-tracking": {
    summary: "saves who reserved each run of system PTEs, so that exhaustion ends in 0xD8 with a name",
    appliedBy: "guest",
    how: registryDword("TrackPtes", 1),
    source: "bug check 0x3F reference",
  },
  "pte-misuse": {
    summary: "checks every release of system PTEs against who reserved them, so that a wrong one ends in 0xDA",
    appliedBy: "guest",
    how: registryDword("TrackPtes", 3),
    source: "bug check 0xDB reference",
  },
  "locked-page-tracking": {
    summary: "saves who locked each page, so that pages left locked end in 0xCB with a name, and not in 0x76",
    appliedBy: "guest",
    how: registryDword("TrackLockedPages", 1),
    source: "bug checks 0x76 and 0xCB reference",
  },
  "special-pool": {
    summary: "gives each pool block of a driver its own page: an overrun or a use after free stops at once",
    appliedBy: "guest",
    how: specialPool,
    source: "Driver Verifier options, bit 0; GFlags, Special Pool",
  },
  "special-pool-start": {
    summary:
      "special pool with blocks at the start of their pages: a write before a block stops at once, one past its end when it is freed",
    appliedBy: "guest",
    how: (target) => `reg add "${MEMORY_MANAGEMENT}" /v PoolTagOverruns /t REG_DWORD /d 0, and ${specialPool(target)}`,
    source: "GFlags, Detecting Overruns and Underruns (Verify Start)",
  },
  "force-irql": {
    summary: "pages out a driver's pageable memory whenever it raises IRQL, so that a wrong touch fails at once",
    appliedBy: "guest",
    how: verifier("/flags 0x2"),
    source: "Driver Verifier options, bit 1",
  },
  "pool-tracking": {
    summary: "keeps account of a driver's pool: what it has not freed when it unloads ends in 0xC4 with 0x62",
    appliedBy: "guest",
    how: verifier("/flags 0x8"),
    source: "Driver Verifier options, bit 3",
  },
  "pool-tagging": {
    summary: "counts pool by the tag of whoever asked for it, so that a leak has four letters",
    appliedBy: "guest",
    how: () => "nothing to switch on since Windows Server 2003: `poolmon /b` lists the tags that hold most",
    source: "GFlags, Enable pool tagging; PoolMon",
  },
  "protect-freed-pool": {
    summary:
      "unmaps nonpaged pool when it is freed: whoever touches it afterwards stops at once (devices that use DMA do not)",
    appliedBy: "guest",
    how: registryDword("ProtectNonPagedPool", 1),
    source: "bug check 0xD0 reference",
  },
  "dma-remapping": {
    summary:
      "lets a device write only to memory that its driver has mapped for DMA at that moment: any other write ends in 0xE6",
    appliedBy: "guest",
    how: (driver) =>
      `switch the IOMMU (VT-d or AMD-Vi) and Kernel DMA Protection on in the firmware, and ${verifier("/flags 0x80")(driver)}`,
    source: "Kernel DMA Protection; Driver Verifier options, bit 7; bug check 0xE6 reference",
  },
  "unload-checks": {
    summary: "looks for timers, work items, lookaside lists and resources that a driver leaves in memory it gives back",
    appliedBy: "guest",
    how: verifier("/flags 0x800"),
    source: "Driver Verifier options, bit 11; Automatic Checks",
  },
  "driver-verifier": {
    summary: "holds a driver's calls into the kernel against its rules: a breach ends in 0xC4, at the driver",
    appliedBy: "guest",
    how: verifier("/standard"),
    source: "Driver Verifier command syntax",
  },
  "slab-debugging": {
    summary: "checks, fences and poisons the kernel's slab objects and keeps who allocated and freed them",
    appliedBy: "guest",
    how: () => "start the kernel with slub_debug=FZPU on its command line",
    source: "kernel documentation, admin-guide/kernel-parameters and mm/slab",
  },
  "hypervisor-audit": {
    summary:
      "the hypervisor holds its translations and its shared pages against page tables and maps, and stops when one is wrong",
    appliedBy: "host",
    how: () => "set `host.audit` in the scenario, for instance to 1 s; no hypervisor in the trade has such a switch",
    source: "this project: src/hypervisor/README.md",
  },
};

export const checkNames: readonly string[] = Object.keys(checks);
