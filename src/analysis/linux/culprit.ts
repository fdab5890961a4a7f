import type { Facts, Frame } from "../facts.ts";

type Culprit = NonNullable<Facts["crash"]>["module"];

/**
 * The module on the faulting path that is nearest to the fault. A kernel function at the instruction pointer was most often
 * handed something bad by a module that called it. Frames with a question mark do not count: they are left-overs on the stack.
 */
export function culprit(stack: readonly Frame[], startsAtFault: boolean): Culprit {
  const at = stack.findIndex((frame) => frame.module != null && frame.via !== "log, unsure");
  const frame = stack[at];
  if (!frame?.module) return null;
  const via = at === 0 && startsAtFault ? "instruction pointer" : "nearest module on the call trace";
  return { name: frame.module, offset: frame.moduleOffset ?? null, via };
}
