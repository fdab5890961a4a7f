import { hex } from "../../binary/index.ts";
import {
  type KernelCheck,
  LOCK_RECORD_SIGNATURE,
  lockRecord,
  MAPPING_RECORD_SIGNATURE,
  mappingRecord,
} from "../../dumpfile/index.ts";
import type { Facts } from "../facts.ts";
import { placeOf } from "./function-names.ts";
import type { Kernel } from "./kernel.ts";
import type { Modules } from "./modules.ts";
import { processAt } from "./processes.ts";

type Checks = NonNullable<Facts["checks"]>;

const DRIVER_LEFT_LOCKED_PAGES_IN_PROCESS = 0xcb;
const SYSTEM_PTE_MISUSE = 0xda;
/** Kinds of misuse whose second parameter is the record of a mapping. */
const LAST_KIND_WITH_RECORD = 5n;

/** The lock that 0xCB found left, by the record its first parameter points at; null for other stops, and while locks are not tracked. */
export function lockFact(kernel: Kernel, modules: Modules, armed: readonly KernelCheck[]): Checks["lockedPages"] {
  const { stopCode, memory } = kernel;
  if (stopCode?.code !== DRIVER_LEFT_LOCKED_PAGES_IN_PROCESS || !armed.includes("locked-page-tracking")) return null;
  const bytes = memory.read(stopCode.parameters[0], lockRecord.size);
  if (!bytes) return null;
  const { signature, mdl, pages, process, caller } = lockRecord.read(bytes);
  if (signature !== LOCK_RECORD_SIGNATURE) return null;
  const owner = processAt(kernel, process);
  return {
    mdl: hex(mdl),
    pages,
    process: owner && { name: owner.name, pid: owner.pid },
    lockedBy: callerFact(caller, modules),
  };
}

/** The mapping that 0xDA is about, by the record its second parameter points at; null for other stops, and while frees are not checked. */
export function mappingFact(kernel: Kernel, modules: Modules, armed: readonly KernelCheck[]): Checks["mapping"] {
  const { stopCode, memory } = kernel;
  if (stopCode?.code !== SYSTEM_PTE_MISUSE || !armed.includes("pte-misuse")) return null;
  const [kind, at] = stopCode.parameters;
  const bytes = kind > LAST_KIND_WITH_RECORD ? null : memory.read(at, mappingRecord.size);
  if (!bytes) return null;
  const { signature, state, mdl, address, pages, mappedBy } = mappingRecord.read(bytes);
  if (signature !== MAPPING_RECORD_SIGNATURE) return null;
  return {
    address: hex(address),
    pages,
    mdl: hex(mdl),
    isFreed: state !== 1,
    mappedBy: callerFact(mappedBy, modules),
  };
}

/** Where code lies that a check has recorded as a caller. */
export function callerFact(address: bigint, modules: Modules) {
  const { module, moduleOffset, function: name } = placeOf(address, modules);
  return { address: hex(address), module, moduleOffset, function: name };
}
