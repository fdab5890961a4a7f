/** die() numbers every one, whatever the fault: `divide error: 0000 [#1] PREEMPT SMP`. */
const DIED = /: [0-9a-f]{4,16} \[#\d+\]/;

/** Lines by which the kernel says that something broke. The panic line is not among them: it says that the kernel gave up. */
const BAD_LINES: readonly RegExp[] = [
  /^BUG: /,
  /^BUG [\w-]+ \(.*\): /, // SLUB: BUG kmalloc-64 (Tainted: G): Right Redzone overwritten
  /^kernel BUG at /,
  /^Oops(?: -|:) /,
  DIED,
  /^(?:traps: )?PANIC: double fault/,
  /^list_(?:add|del)\w* corruption/,
  /^WARNING: /,
  /^watchdog: BUG: soft lockup/,
  /^(?:NMI )?watchdog: Watchdog detected hard LOCKUP/,
  /^INFO: task .+ blocked for more than/,
  /^(?:rcu: )?INFO: rcu\w* (?:self-)?detected/,
  /^UBSAN: /,
  /^(?:BUG: )?unable to handle (?:kernel|page fault)/,
  /^kernel tried to execute NX-protected page/,
  /^mce: \[Hardware Error\]: /,
];

/** What is worth a title by itself even when the kernel lived on. */
const DEATHS = [DIED, /^BUG: /, /^kernel BUG at /, /PANIC: double fault/];

/** Kinds of crash, the most telling first: the first pattern that any of the crash's lines fits names it. */
const CLASSES: readonly (readonly [RegExp, string])[] = [
  [/list_(?:add|del)\w* corruption/, "list-corruption"],
  [/KASAN: null-ptr-deref/, "null-dereference"],
  [/BUG: K(?:ASAN|FENCE): |Redzone overwritten|Object already free|Poison overwritten/, "memory-corruption"],
  [/kernel stack overflow|stack guard page was hit/, "stack-overflow"],
  [/stack-protector|corrupted stack end/, "stack-corruption"],
  [/double fault/, "double-fault"],
  [/NULL pointer dereference/, "null-dereference"],
  [/NX-protected page/, "execute-protected"],
  [/unable to handle (?:kernel paging request|page fault)/, "page-fault"],
  [/general protection fault/, "general-protection"],
  [/divide error/, "divide-error"],
  [/soft ?lockup/i, "softlockup"],
  [/hard lockup/i, "hardlockup"],
  [/blocked for more than|hung_task/, "hung-task"],
  [/\brcu.*detected|RCU Stall/i, "rcu-stall"],
  [/scheduling while atomic|sleeping function called from invalid context/, "atomic-sleep"],
  [/circular locking|inconsistent lock state|held lock freed|suspicious RCU usage/, "lockdep"],
  [/UBSAN/, "undefined-behaviour"],
  [/kernel BUG at/, "bug"],
  [/Out of memory|System is deadlocked on memory/, "oom"],
  [/Attempted to kill init/, "init-exit"],
  [/No working init found|Requested init .* failed/, "no-init"],
  [/Unable to mount root fs/, "no-root"],
  [/Hardware Error|machine check/i, "machine-check"],
  [/NMI: Not continuing|IOCK error/, "nmi"],
  [/sysrq triggered crash/, "requested"],
  [/^WARNING: |panic_on_warn/, "warning"],
  [/invalid opcode/, "invalid-opcode"],
  [/^Oops/, "oops"],
  [/Kernel panic/, "panic"],
];

export const isBadLine = (line: string): boolean => BAD_LINES.some((pattern) => pattern.test(line));
export const isDeath = (line: string): boolean => DEATHS.some((pattern) => pattern.test(line));

/** The kernel's own lines are shorter; a longer one is damage, and would take some patterns quadratic time. */
const LONGEST_LINE = 1024;

/** Null when no line says what kind of crash this is. */
export function crashClass(lines: readonly string[]): string | null {
  return CLASSES.find(([pattern]) => lines.some((line) => pattern.test(line.slice(0, LONGEST_LINE))))?.[1] ?? null;
}
