import { createHash } from "node:crypto";
import { type Facts, type Frame, SURE_FRAMES } from "./facts.ts";

/** Bumped whenever the same crash would get another id: buckets of different versions cannot be compared. */
const VERSION = 2;
const FRAMES = 3;

/** Functions that take part in every crash and so tell nothing: reporting, unwinding, traps, waiting. */
const GENERIC: readonly RegExp[] = [
  /^(dump_stack|dump_stack_lvl|show_stack|show_trace|show_regs|dump_trace|dump_backtrace|print_address_description)/,
  /^_?_?(panic|die|oops|warn|warn_slowpath|report_bug|handle_bug|fixup_bug|bug|do_error_trap|do_trap|nmi_panic|vpanic)(_|$)/,
  /^(check_panic_on_warn|end_report|print_report|notifier_call_chain|atomic_notifier_call_chain|crash_kexec|__crash_kexec)/,
  /^(kasan|kmsan|kcsan|ubsan|__asan|__msan|__tsan|__ubsan|__kasan|asan)_/,
  /^(asm_exc|exc|asm_sysvec|sysvec|idtentry|do_page_fault|do_user_addr_fault|page_fault|handle_page_fault|bad_area|no_context)/,
  /^(invalid_op|general_protection|do_invalid_op|do_general_protection|do_int3|error_entry|ret_from_fork|entry_SYSCALL)/,
  /^(sysrq_handle|__handle_sysrq|write_sysrq_trigger)/,
  /^(check_memory_region|memcpy|memset|memmove|strlen|strcmp|mem(chr|cmp))$/,
  /^(lockdep_|print_circular_bug|print_usage_bug|__lock_acquire|lock_acquire|lock_release|mark_lock)/,
  /^(schedule|__schedule|context_switch|schedule_timeout|wait_for_completion|__wait_for_common)$/,
  /^(Ke|Ki)(BugCheck|PageFault|ExceptionDispatch|DispatchException|GeneralProtectionFault|FastFailDispatch)/,
  /^(RtlDispatchException|RtlpExecuteHandlerForException|__C_specific_handler|KiStartSystemThread|PspSystemThreadStartup)$/,
  /^DbgBreakPoint/,
];

const NT_KERNELS = /^(ntoskrnl|ntkrnlmp|ntkrnlpa|ntkrpamp|hal)\.(exe|dll)$/i;

/**
 * The bucket of a crash: what makes it the same crash as another, told step by step, and a short hash of those steps.
 * Nothing in it changes with where the kernel or a driver was loaded. Null when nothing crashed, or too little is known.
 *
 * @example ["stop code 0x7e SYSTEM_THREAD_EXCEPTION_NOT_HANDLED", "exception 0xc0000005", "module amdppm.sys", "at amdppm.sys+0x334c"]
 */
export function bucketOf(facts: Facts): Facts["bucket"] {
  const { crash } = facts;
  if (!crash || (crash.panicked === false && crash.stopCode)) return null;
  const trail = crash.stopCode ? stopCodeTrail(facts, crash) : titleTrail(crash);
  if (trail.length === 0) return null;
  const id = createHash("sha256")
    .update(`${VERSION}\n${trail.join("\n")}`)
    .digest("hex")
    .slice(0, 16);
  return { id, version: VERSION, trail };
}

type Crash = NonNullable<Facts["crash"]>;

const stopCodeTrail = ({ hypervisor }: Facts, crash: Crash): string[] =>
  hypervisor ? [...windowsTrail(crash), ...corruptionSteps(hypervisor)] : windowsTrail(crash);

/** What was wrong, and with whose translations or pages: where it lay there is chance. */
function corruptionSteps({ audit, partitions }: NonNullable<Facts["hypervisor"]>): string[] {
  const [first] = audit.corruptions;
  if (!first) return [];
  const engine = partitions.find(({ name }) => name === first.partition)?.engine;
  return [`corruption ${first.kind}`, ...(engine ? [`engine ${engine}`] : [])];
}

/** Stop codes that stand for many faults: which one is told by this parameter (counted from 0). */
const SUBCODE_PARAMETER: Readonly<Record<string, number>> = {
  ...{ "0x19": 0, "0x1a": 0, "0x4e": 0, "0x76": 0, "0x7f": 0, "0x9f": 0, "0xc1": 3, "0xc2": 0, "0xc4": 0 },
  ...{ "0xda": 0, "0xf4": 0, "0x109": 3, "0x124": 0, "0x133": 0, "0x139": 0 },
};

/** Stop codes for a resource that ran out: who asked last is chance, not cause. */
const EXHAUSTED: ReadonlySet<string> = new Set(["0x3f"]);

function windowsTrail(crash: Crash): string[] {
  const code = baseCode(crash.stopCode!.code);
  const name = crash.stopCode!.name?.replace(/_M$/, "");
  const trail = [`stop code ${code}${name ? ` ${name}` : ""}`];
  const index = SUBCODE_PARAMETER[code];
  const subcode = index === undefined ? undefined : crash.stopCode!.parameters[index]?.value;
  if (subcode !== undefined) trail.push(`parameter ${index! + 1} ${subcode}`);
  if (crash.exception) trail.push(`exception ${crash.exception.code}`);
  if (!crash.module) return EXHAUSTED.has(code) ? trail : [...trail, ...frameSteps(driverFrames(crash))];
  const module = crash.module.name.toLowerCase();
  trail.push(`module ${module}`);
  // A driver that the system named without a place in it: who met the limit, and where, is chance as well.
  if (!crash.module.offset) return trail;
  // The place of the fault says enough. The frames above it depend on whether image files were at hand.
  return [...trail, `at ${placeName(module, crash.function, crash.module.offset)}`];
}

const placeName = (module: string, name: string | null | undefined, offset: string) =>
  name ? `${module}!${name}` : `${module}+${offset}`;

/** Frames outside the kernel, or the kernel's own where there are no others. */
function driverFrames(crash: Crash): Frame[] {
  const outside = crash.stack.filter((frame) => frame.module && !NT_KERNELS.test(frame.module));
  return outside.some((frame) => SURE_FRAMES.has(frame.via)) ? outside : crash.stack;
}

function titleTrail(crash: Crash): string[] {
  if (!crash.title) return [];
  const trail = [`title ${normalTitle(crash.title)}`];
  if (crash.module) trail.push(`module ${crash.module.name}`);
  if (crash.function) trail.push(`at ${normalFunction(crash.function)}`);
  // Different ways lead to one bug: the callers count only when nothing says where it was met.
  return crash.function || / in \S+$/.test(crash.title) ? trail : [...trail, ...frameSteps(crash.stack)];
}

/** The first frames that say something, by function name or by the driver and its offset. */
function frameSteps(stack: readonly Frame[]): string[] {
  // Frames that are only found by guessing would split one bug over many buckets.
  const steps = stack.filter((frame) => SURE_FRAMES.has(frame.via)).flatMap((frame) => frameName(frame) ?? []);
  return [...new Set(steps)].slice(0, FRAMES).map((name) => `frame ${name}`);
}

function frameName({ function: name, module, moduleOffset }: Frame): string | null {
  const plain = name ? normalFunction(name) : null;
  if (plain !== null && GENERIC.some((generic) => generic.test(plain))) return null;
  // A Linux function keeps its name when it moves from the kernel to a module or back; a Windows image has an extension.
  if (plain !== null && !module?.includes(".")) return plain;
  // An offset into the kernel without a function changes with every update and names nobody.
  if (!module || !moduleOffset || (plain === null && NT_KERNELS.test(module))) return null;
  return placeName(module.toLowerCase(), plain, moduleOffset);
}

/** Bit 28 marks the variant of a stop code with another context in the dump: the same crash. */
const baseCode = (code: string): string => code.replace(/^0x1(?=[0-9a-f]{7}$)0*/, "0x");

/** A function's name as its source has it: without what compilers append, and without the wrappers of system calls. */
export function normalFunction(name: string): string {
  return name
    .replace(/\+0x[0-9a-f]+(\/0x[0-9a-f]+)?$/i, "")
    .replace(/(\.(constprop|isra|part|cold|llvm|lto_priv|localalias)(\.\d+)*|\.\d+)+$/, "")
    .replace(/^__(se|do|x64|ia32|arm64|s390x)_(compat_)?sys_/, "sys_");
}

/** A title without what differs from crash to crash: addresses, lines, processors, counts, compiler suffixes. */
export function normalTitle(title: string): string {
  return title
    .replace(/\b0x[0-9a-f]+\b|\b[0-9a-f]{12,16}\b/gi, "ADDR")
    .replace(/\bCPU[ #:]*\d+/gi, "CPU NUM")
    .replace(/\.(constprop|isra|part|cold|llvm|lto_priv)(\.\d+)*/g, "")
    .replace(/\b__(se|do|x64|ia32|arm64)_(compat_)?sys_/g, "sys_")
    .replace(/(\.[chS]):\d+/g, "$1:LINE")
    .replace(/(?<![\w.-])\d+(?![\w.-])/g, "NUM")
    .replace(/\s+/g, " ")
    .trim();
}
