import { hex } from "../../binary/index.ts";
import type { Modules } from "./modules.ts";
import { functionStart } from "./unwind.ts";

/** Where code lies: module, its offset there, and the function's name where exports allow one. */
export interface CodePlace {
  readonly module: string | null;
  readonly moduleOffset: string | null;
  readonly function: string | null;
  /** From the function where it is known, else from the module. */
  readonly offset: string | null;
}

// Without a function table, nothing says where an exported function ends: beyond this, it is most likely another one.
const FARTHEST_WITHOUT_TABLE = 0x400;

export function placeOf(address: bigint, modules: Modules): CodePlace {
  const module = modules.at(address);
  if (!module) return { module: null, moduleOffset: null, function: null, offset: null };
  const rva = Number(address - module.base);
  const found = exportedFunction(modules, address);
  const offset = hex(found ? rva - found.rva : rva);
  return { module: module.name, moduleOffset: hex(rva), function: found?.name ?? null, offset };
}

/** The exported function that holds an address: by the function table where there is one, else one that is close. */
function exportedFunction(modules: Modules, address: bigint) {
  const module = modules.at(address);
  const image = module && modules.image(module);
  if (!image) return null;
  const rva = Number(address - module.base);
  const found = image.exportBelow(rva);
  if (!found || image.isCode(found.rva) === false) return null;
  const start = functionStart(image, rva);
  if (start !== null) return found.rva === start ? found : null;
  return rva - found.rva < FARTHEST_WITHOUT_TABLE ? found : null;
}
