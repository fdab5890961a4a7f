import { type AuditReport, auditState } from "../../src/hypervisor/audit/index.ts";
import { WholeHostMemory } from "../../src/hypervisor/foreign-memory.ts";
import { MAX_PHYSICAL_ADDRESS_BITS } from "../../src/hypervisor/frame-map.ts";
import { GuestPhysicalMemory } from "../../src/hypervisor/guest-memory.ts";
import { HostMemory } from "../../src/hypervisor/host-memory.ts";
import type { Partition } from "../../src/hypervisor/partition.ts";
import { PageSharing } from "../../src/hypervisor/sharing/index.ts";
import { captureState, type HypervisorState } from "../../src/hypervisor/state/index.ts";
import type { EngineKind } from "../../src/hypervisor/translation/engine.ts";
import type { FlushListResult, FlushStatus, FlushTarget } from "../../src/hypervisor/translation/flush-target.ts";
import { emptyPhysicalTlb } from "../../src/hypervisor/translation/physical-tlb.ts";
import { FlushCalls, ShadowPageTables } from "../../src/hypervisor/translation/shadow/index.ts";
import { VirtualProcessor } from "../../src/hypervisor/virtual-processor.ts";
import { CR0_PE, CR0_PG, CR0_WP, CR4_PAE, CR4_PCIDE, CR4_PGE, EFER_LME, EFER_NXE } from "../../src/paging/index.ts";
import { A, D, P, PS, pte, U, W } from "./shadow-guest.ts";

export const PAGE = 4096;
export const GUEST_PAGES = 2048;
export const PROCESSORS = 3;
/** Two roots; each has its own tables, and both share the last table of the first. */
export const ROOTS = [1, 11];
export const TABLES = [1, 2, 3, 4, 11, 12, 13, 14, 20];
/** Linear pages from here on map the guest's tables, one after the other. */
export const WINDOW = 448;
export const LARGE_AT = 2 ** 21;
export const ALIAS_AT = 2 * 2 ** 21;
export const OTHER_AT = 3 * 2 ** 21;
/** Guest frames where pages are mapped that others share: beyond the partition's memory. */
export const RANGE = { base: 4096, pages: 8 };

export interface MachineOptions {
  readonly engine: EngineKind;
  readonly budgetPages?: number;
  readonly batch?: number;
  /** Whether devices reach a guest's page tables too. */
  readonly sharesTables?: boolean;
}

/** A partition as the hypervisor has it, with a page budget that a test can make small. */
export class AuditedPartition {
  readonly name: string;
  readonly engine: EngineKind;
  readonly state = "running" as const;
  readonly memory: GuestPhysicalMemory;
  readonly shadowTables: ShadowPageTables | null;
  readonly processors: readonly VirtualProcessor[];
  readonly calls: FlushCalls | null;

  constructor(host: HostMemory, name: string, options: MachineOptions) {
    const { engine, ...sizes } = options;
    this.name = name;
    this.engine = engine;
    this.memory = new GuestPhysicalMemory(host, GUEST_PAGES * PAGE);
    const tables = { frames: this.memory, processors: PROCESSORS, writes: host.tableWrites, ...sizes };
    this.shadowTables = engine === "shadow" ? new ShadowPageTables(tables) : null;
    this.calls = this.shadowTables === null ? null : new FlushCalls(this.shadowTables, MAX_PHYSICAL_ADDRESS_BITS);
    this.processors = Array.from({ length: PROCESSORS }, (_, index) => new VirtualProcessor(index, this, host));
    this.memory.onMapChange((first, count) => {
      for (const processor of this.processors) processor.guestMapChanged(first, count);
    });
    buildTables(this.memory);
    for (const { registers } of this.processors) {
      registers.cr3 = BigInt(ROOTS[0]! * PAGE);
      registers.cr4 = BigInt(CR4_PAE | CR4_PGE | CR4_PCIDE);
      registers.efer = BigInt(EFER_LME | EFER_NXE);
      registers.cr0 = BigInt((CR0_PE | CR0_WP | CR0_PG) >>> 0);
    }
  }

  mustRun(): void {}

  flushAddressSpace(target: FlushTarget): FlushStatus | undefined {
    return this.calls?.flushAddressSpace(target);
  }

  flushAddressList(target: FlushTarget, list: readonly bigint[]): FlushListResult | undefined {
    return this.calls?.flushAddressList(target, list);
  }
}

/** A machine of two partitions that share pages; its state is audited as the hypervisor does it. */
export class AuditedMachine {
  readonly host = new HostMemory(3 * GUEST_PAGES * PAGE);
  readonly sharing = new PageSharing(this.host);
  readonly partitions: readonly AuditedPartition[];

  readonly sharesTables: boolean;

  constructor(options: MachineOptions) {
    this.sharesTables = options.sharesTables ?? false;
    emptyPhysicalTlb();
    this.partitions = ["web", "db"].map((name) => new AuditedPartition(this.host, name, options));
    for (const partition of this.partitions) {
      partition.memory.guardMap((first, count) => this.sharing.beforeMapChange(partition, first, count));
      this.sharing.setAside(partition, RANGE.base, RANGE.pages);
    }
  }

  get first(): AuditedPartition {
    return this.partitions[0]!;
  }

  state(): HypervisorState {
    const partitions = this.partitions as unknown as readonly Partition[];
    const { host: memory, sharing } = this;
    return captureState({ partitions, dumpPartition: null, memory, sharing }, null);
  }

  audit(): AuditReport {
    return auditState(this.state(), new WholeHostMemory(this.host));
  }
}

function buildTables(memory: GuestPhysicalMemory): void {
  for (const root of ROOTS) {
    for (let frame = root; frame < root + 3; frame++) memory.writeU64(frame * PAGE, pte(frame + 1, P | W | U));
    const directory = (root + 2) * PAGE;
    memory.writeU64(directory + 8, pte(root === 1 ? 512 : 1024, P | W | U | PS));
    memory.writeU64(directory + 16, pte(root === 1 ? 4 : 14, P | U));
    memory.writeU64(directory + 24, pte(20, P | W | U));
    for (const [index, table] of TABLES.entries())
      memory.writeU64((root + 3) * PAGE + (WINDOW + index) * 8, pte(table, P | W | A | D));
    for (let page = 0; page < 6; page++)
      memory.writeU64((root + 3) * PAGE + page * 8, pte(0x100 + page, P | W | U | A | D));
  }
  for (let page = 0; page < 8; page++) memory.writeU64(20 * PAGE + page * 8, pte(0x150 + page, P | W | U));
}
