import type { Modules } from "./modules.ts";

/** Address of a variable that the kernel's image exports; null where there is none of that name. */
export function kernelExport(modules: Modules, name: string): bigint | null {
  for (const module of modules.all.slice(0, 2)) {
    const found = modules
      .image(module)
      ?.exports()
      .find((one) => one.name === name);
    if (found) return module.base + BigInt(found.rva);
  }
  return null;
}
