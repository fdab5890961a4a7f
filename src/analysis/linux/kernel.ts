import { type PhysicalMemory, StopcodeError } from "../../binary/index.ts";
import type { Dump } from "../../dumpfile/index.ts";
import { Btf } from "./btf.ts";
import { Kallsyms } from "./kallsyms.ts";
import { KernelMemory } from "./kernel-memory.ts";
import { type ModuleList, readModules } from "./modules.ts";
import { Symbolizer } from "./symbolizer.ts";
import { readTasks, type TaskList } from "./tasks.ts";
import { findVmcoreInfo, type VmcoreInfo } from "./vmcoreinfo.ts";

/** KERNEL_IMAGE_SIZE with CONFIG_RANDOMIZE_BASE, for kernels that do not say. */
const USUAL_IMAGE_SIZE = 1n << 30n;

/** A Linux kernel in a dump: what others read from it, each part read when first asked for. */
export class LinuxKernel {
  readonly info: VmcoreInfo;
  readonly memory: KernelMemory;
  readonly #parts = new Map<string, unknown>();

  constructor(info: VmcoreInfo, physical: PhysicalMemory) {
    this.info = info;
    this.memory = new KernelMemory(physical, {
      physicalBase: info.number("phys_base") ?? 0n,
      imageSize: info.number("KERNEL_IMAGE_SIZE") ?? USUAL_IMAGE_SIZE,
      pageTable: info.symbol("swapper_pg_dir") ?? info.symbol("init_top_pgt"),
      levels: info.number("pgtable_l5_enabled") === 1n ? 5 : 4,
    });
  }

  get symbols(): Kallsyms | null {
    return this.#once("symbols", () => Kallsyms.read(this.memory, this.info));
  }

  get types(): Btf | null {
    return this.#once("types", () => this.symbols && Btf.read(this.memory, this.symbols));
  }

  get modules(): ModuleList | null {
    return this.#once(
      "modules",
      () => this.symbols && this.types && readModules(this.memory, this.symbols, this.types),
    );
  }

  get tasks(): TaskList | null {
    return this.#once("tasks", () => this.symbols && this.types && readTasks(this.memory, this.symbols, this.types));
  }

  get symbolizer(): Symbolizer | null {
    return this.#once(
      "symbolizer",
      () => this.symbols && new Symbolizer(this.memory, this.symbols, this.types, this.modules?.modules ?? []),
    );
  }

  /** A 64-bit kernel variable, such as page_offset_base: where the direct map starts. */
  variable(name: string): bigint | null {
    const at = this.symbols?.address(name) ?? null;
    return at === null ? null : this.memory.u64(at);
  }

  #once<T>(part: string, read: () => T): T {
    if (!this.#parts.has(part)) this.#parts.set(part, read());
    return this.#parts.get(part) as T;
  }
}

/** @throws StopcodeError `analysis/not-linux` when the dump has no physical memory or no VMCOREINFO */
export function openKernel(dump: Dump): LinuxKernel {
  const info = dump.memory.kind === "physical" ? findVmcoreInfo(dump) : null;
  if (dump.memory.kind !== "physical" || info === null)
    throw new StopcodeError(
      "analysis/not-linux",
      "the dump holds no VMCOREINFO, by which a Linux kernel describes itself",
      {
        where: { file: dump.file },
        hint: "a Linux dump of a kernel built without CONFIG_CRASH_CORE or CONFIG_VMCORE_INFO cannot be read; try its console log",
      },
    );
  return new LinuxKernel(info, dump.memory);
}
