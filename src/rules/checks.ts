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

/** Driver Verifier takes options as a bit mask and drivers by file name; both take effect at the next start. */
const verifier = (flags: number) => (driver: string | null) =>
  `verifier /flags 0x${flags.toString(16)} ${driver === null ? "/all" : `/driver ${driver}`}`;

const registryDword = (name: string, value: number) => () =>
  `reg add "${MEMORY_MANAGEMENT}" /v ${name} /t REG_DWORD /d ${value}, then restart`;

export const checks: Readonly<Record<string, Check>> = {
  "pte-tracking": {
    summary: "saves who reserved each run of system PTEs, so that exhaustion ends in 0xD8 with a name",
    appliedBy: "guest",
    how: registryDword("TrackPtes", 1),
    source: "bug check 0x3F reference",
  },
  "special-pool": {
    summary: "gives each pool block of a driver its own page: an overrun or a use after free stops at once",
    appliedBy: "guest",
    how: verifier(0x1),
    source: "Driver Verifier options, bit 0",
  },
  "force-irql": {
    summary: "pages out a driver's pageable memory whenever it raises IRQL, so that a wrong touch fails at once",
    appliedBy: "guest",
    how: verifier(0x2),
    source: "Driver Verifier options, bit 1",
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
