import { describe, expect, it } from "vitest";
import type { Frame } from "../../src/analysis/facts.ts";
import { crashClass } from "../../src/analysis/linux/crash-class.ts";
import { findCrashReport } from "../../src/analysis/linux/crash-report.ts";
import { culprit } from "../../src/analysis/linux/culprit.ts";
import type { PrintkRecord } from "../../src/analysis/linux/printk-ring.ts";

/**
 * Records from lines of `who|text`: `t117` is task 117, `c1` processor 1 in an interrupt; `+9 ` before it lets 9 seconds pass.
 * The wording of the lines is that of the kernel's sources and of the dumps in the shared data.
 */
function records(log: string): PrintkRecord[] {
  let seconds = 0;
  return log
    .trim()
    .split("\n")
    .map((line, sequence) => {
      const [, wait, kind, id, text] = /^\s*(?:\+(\d+) )?([tc])(\d+)\|(.*)$/.exec(line)!;
      seconds += Number(wait ?? 0.001);
      const caller = { kind: kind === "t" ? ("task" as const) : ("processor" as const), id: Number(id) };
      return { sequence, nanoseconds: seconds * 1e9, level: 4, facility: 0, caller, text: text! };
    });
}

const report = (log: string) => findCrashReport(records(log));

describe("the crash report in a log", () => {
  it("is not mixed up with what another processor prints in between", () => {
    const found = report(`
      t9|BUG: kernel NULL pointer dereference, address: 0000000000000018
      t7|WARNING: CPU: 0 PID: 7 at kernel/foo.c:12 foo+0x1/0x2
      t9|Oops: 0002 [#1] PREEMPT SMP NOPTI
      t7|CPU: 0 PID: 7 Comm: other Not tainted 6.1.0 #1
      t9|CPU: 1 PID: 9 Comm: Web Content 2 Kdump: loaded Tainted: G           OE      6.1.0 #1
      t9|RIP: 0010:first+0x1f/0x2a [mod]
      t7|RIP: 0010:foo+0x1/0x2
      t9|RSP: 0018:ffffd2f1003dbc20 EFLAGS: 00000246
      t9|RAX: 0000000000000018 RBX: ffffd2f1003dbc38 RCX: c0000000ffffefff
      t9|FS:  00000000106de380(0000) GS:ffff8d0d45100000(0000) knlGS:0000000000000000
      t9|Call Trace:
      t7|Call Trace:
      t9| <TASK>
      t7| <TASK>
      t9| second+0x46/0x21a [mod 0123456789abcdef]
      t7| not_ours+0x1/0x2
      t9| ? unsure+0x1/0x2
      t9| </TASK>
      t9|---[ end trace 0000000000000000 ]---
      t9|RIP: 0010:first+0x1f/0x2a [mod]
      t9|Kernel panic - not syncing: Fatal exception
    `);
    expect(found).toMatchObject({
      title: "Kernel panic - not syncing: Fatal exception",
      alternativeTitles: [
        "BUG: kernel NULL pointer dereference, address: 0000000000000018",
        "Oops: 0002 [#1] PREEMPT SMP NOPTI",
        "Fatal exception",
      ],
      class: "null-dereference",
      processor: 1,
      process: { name: "Web Content 2", pid: 9 },
      instruction: { frame: { function: "first", offset: 0x1f, size: 0x2a, module: "mod" } },
      frames: [
        { function: "second", offset: 0x46, size: 0x21a, module: "mod", reliable: true },
        { function: "unsure", reliable: false },
      ],
    });
    expect(Object.fromEntries(found?.registers ?? [])).toEqual({
      ss: 0x18n,
      rsp: 0xffff_d2f1_003d_bc20n,
      rflags: 0x246n,
      rax: 0x18n,
      rbx: 0xffff_d2f1_003d_bc38n,
      rcx: 0xc000_0000_ffff_efffn,
      fsBase: 0x106d_e380n,
      gsBase: 0xffff_8d0d_4510_0000n,
      kernelGsBase: 0n,
    });
  });

  it("leaves out an earlier report that the kernel lived on after, by the same task", () => {
    const found = report(`
      t9|BUG: unable to handle page fault for address: ffffc90000000000
      t9|Oops: 0000 [#1] SMP
      t9|Call Trace:
      t9| <TASK>
      t9| old+0x1/0x2
      t9| </TASK>
      t9|---[ end trace 0000000000000000 ]---
      t9|kernel BUG at mm/slub.c:400!
      t9|CPU: 0 PID: 9 Comm: a Not tainted 6.1 #1
      t9|---[ end trace 0000000000000000 ]---
      t9|Kernel panic - not syncing: Fatal exception
    `);
    expect(found?.alternativeTitles).toEqual(["kernel BUG at mm/slub.c:400!", "Fatal exception"]);
    expect(found?.class).toBe("bug");
    expect(found?.frames).toEqual([]);
  });

  it("does not blame a warning of long ago for a panic", () => {
    const found = report(`
      t1|WARNING: CPU: 0 PID: 1 at init/main.c:1 start+0x1/0x2
      +3600 t1|Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000009
      t1|CPU: 1 PID: 1 Comm: init Not tainted 6.1 #1
      t1|Call Trace:
      t1| <TASK>
      t1| panic+0x118/0x2f4
      t1| RIP: 0033:0x461189
    `);
    expect(found).toMatchObject({ class: "init-exit", process: { name: "init", pid: 1 }, instruction: null });
    expect(found?.alternativeTitles).toEqual(["Attempted to kill init! exitcode=0x00000009"]);
    expect(found?.frames.map((frame) => frame.function)).toEqual(["panic"]);
  });

  it("names the task that hung, not the watchdog that found it", () => {
    const found = report(`
      t28|INFO: task nfsd: a b:812 blocked for more than 120 seconds.
      t28|      Tainted: G           OE      6.1.0-56-amd64 #1 Debian 6.1.192-2
      t28|task:nfsd: a b       state:D stack:0     pid:812 ppid:2      flags:0x00004000
      t28|Call Trace:
      t28| <TASK>
      t28| __schedule+0x34d/0x9e0
      t28| stuck+0x10/0x20 [mod]
      t28| </TASK>
      t28|Kernel panic - not syncing: hung_task: blocked tasks
      t28|CPU: 0 PID: 28 Comm: khungtaskd Tainted: G           OE      6.1.0-56-amd64 #1
    `);
    expect(found).toMatchObject({ class: "hung-task", process: { name: "nfsd: a b", pid: 812 }, processor: 0 });
    expect(found?.frames.map((frame) => frame.function)).toEqual(["__schedule", "stuck"]);
  });

  it("takes what a stalled processor answers for the report, not what its watcher printed of others", () => {
    const found = report(`
      c0|rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:
      c0|rcu: \t1-...!: (0 ticks this GP) idle=0d1c/1/0x4000000000000000 softirq=106/106 fqs=0
      c0|rcu: RCU grace-period kthread stack dump:
      c0|task:rcu_preempt     state:I stack:0     pid:17    ppid:2      flags:0x00004000
      c0|Call Trace:
      c0| <TASK>
      c0| __schedule+0x364/0xa70
      c0| </TASK>
      c0|Sending NMI from CPU 0 to CPUs 1-2:
      c2|NMI backtrace for cpu 2 skipped: idling at native_safe_halt+0xb/0x10
      c1|NMI backtrace for cpu 1
      c1|CPU: 1 PID: 132 Comm: hog Tainted: G           OE      6.1.0-56-rt-amd64 #1
      c1|RIP: 0010:spin+0x16/0x22 [mod]
      c1|RAX: 0000000000000000 RBX: ffffcd6cc048bd48 RCX: 0000000000000000
      c1|Call Trace:
      c1| <TASK>
      c1| caller+0x186/0x21a [mod]
      c1| </TASK>
      c0|Kernel panic - not syncing: RCU Stall
      c0|CPU: 0 PID: 0 Comm: swapper/0 Tainted: G           OE      6.1.0-56-rt-amd64 #1
      c0|Call Trace:
      c0| panic+0x10e/0x301
    `);
    expect(found).toMatchObject({
      title: "Kernel panic - not syncing: RCU Stall",
      class: "rcu-stall",
      process: { name: "hog", pid: 132 },
      processor: 1,
      instruction: { frame: { function: "spin", module: "mod" } },
      frames: [{ function: "caller" }],
    });
  });

  it("names the task that others wait for to leave its read side", () => {
    const found = report(`
      c2|rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:
      c2|rcu: \tTasks blocked on level-0 rcu_node (CPUs 0-3): P151
      c2|\t(detected by 2, t=752 jiffies, g=-847, q=97 ncpus=4)
      c2|task:a reader        state:R  running task     stack:0     pid:151   ppid:1      flags:0x00004002
      c2|Call Trace:
      c2| <TASK>
      c2| ? __schedule+0x36c/0xa70
      c2| </TASK>
      c2|Kernel panic - not syncing: RCU Stall
      c2|CPU: 2 PID: 0 Comm: swapper/2 Tainted: G           OE      6.1.0-56-rt-amd64 #1
    `);
    expect(found).toMatchObject({ process: { name: "a reader", pid: 151 }, processor: 2, instruction: null });
  });

  it("reads a call trace on past addresses that no symbol covers", () => {
    const found = report(`
      c1|Oops: 0002 [#1] PREEMPT SMP NOPTI
      c1|RIP: 0010:handler+0xc/0x20 [mod]
      c1|Call Trace:
      c1| <IRQ>
      c1| call_timer_fn+0x27/0x130
      c1| ? 0xffffffffc03a1000
      c1| 0xffffffffc03a1040
      c1| __run_timers+0x222/0x2c0
      c1| </IRQ>
      c1|Kernel panic - not syncing: Fatal exception in interrupt
    `);
    expect(found?.frames.map((frame) => frame.function)).toEqual(["call_timer_fn", "__run_timers"]);
  });

  it("takes a soft lockup's interrupted instruction from above its trace, an exception's from within", () => {
    const soft = report(`
      c0|watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [crasher:117]
      c0|CPU: 0 PID: 117 Comm: crasher Not tainted 6.1 #1
      c0|RIP: 0010:spin+0x5/0x10 [mod]
      c0|Call Trace:
      c0| <TASK>
      c0| outer+0x1/0x2 [mod]
      c0| </TASK>
      c0|Kernel panic - not syncing: softlockup: hung tasks
    `);
    expect(soft?.class).toBe("softlockup");
    expect(soft?.instruction?.frame?.function).toBe("spin");
    const within = report(`
      c0|Kernel panic - not syncing: sysrq triggered crash
      c0|Call Trace:
      c0| <IRQ>
      c0| handler+0x1/0x2
      c0| </IRQ>
      c0| <TASK>
      c0|RIP: 0010:interrupted+0x3/0x9
      c0|Code: 00 01 02
      c0|RSP: 0018:ffffd2f1003dbc20 EFLAGS: 00000246
      c0|RAX: 0000000000000018 RBX: ffffd2f1003dbc38 RCX: c0000000ffffefff
      c0| below+0x1/0x2
      c0| </TASK>
      c0| behind+0x1/0x2
    `);
    expect(within?.instruction).toBeNull();
    expect(within?.frames.map((frame) => frame.function)).toEqual(["handler", "interrupted", "below"]);
  });

  it("has an address but no function for a jump into nowhere", () => {
    const found = report(`
      t9|BUG: kernel NULL pointer dereference, address: 0000000000000000
      t9|Oops: 0010 [#1] SMP
      t9|RIP: 0010:0x0
      t9|Kernel panic - not syncing: Fatal exception
    `);
    expect(found?.instruction).toEqual({ frame: null, address: 0n });
  });

  it("is found without a panic line, but only where the kernel tells of a death", () => {
    expect(report("t1|Linux version 6.1\nt1|WARNING: CPU: 0 PID: 1 at a.c:1 f+0x1/0x2")).toBeNull();
    const found = report(`
      t9|list_add corruption. next->prev should be prev (ffff), but was 0000. (next=ffff).
      t9|kernel BUG at lib/list_debug.c:29!
      t9|CPU: 3 UID: 0 PID: 9 Comm: a Not tainted 6.12 #1
    `);
    expect(found).toMatchObject({
      title: "list_add corruption. next->prev should be prev (ffff), but was 0000. (next=ffff).",
      panicLine: null,
      class: "list-corruption",
      processor: 3,
    });
    expect(report("t9|divide error: 0000 [#1] PREEMPT SMP")?.class).toBe("divide-error");
  });
});

describe("the class of a crash", () => {
  it.each([
    ["BUG: stack guard page was hit at 00000000 (stack is 00000000..00000000)", "stack-overflow"],
    ["Kernel panic - not syncing: stack-protector: Kernel stack is corrupted in: f+0x1/0x2", "stack-corruption"],
    ["traps: PANIC: double fault, error_code: 0x0", "double-fault"],
    ["BUG: unable to handle page fault for address: ffffc90000000000", "page-fault"],
    [
      "general protection fault, probably for non-canonical address 0xdead000000000100: 0000 [#1] SMP",
      "general-protection",
    ],
    ["general protection fault: 0000 [#1] SMP KASAN", "general-protection"],
    ["BUG: KASAN: null-ptr-deref in f+0x1/0x2", "null-dereference"],
    ["Kernel panic - not syncing: corrupted stack end detected inside scheduler", "stack-corruption"],
    ["WARNING: possible circular locking dependency detected", "lockdep"],
    ["divide error: 0000 [#1] PREEMPT SMP", "divide-error"],
    ["NMI watchdog: Watchdog detected hard LOCKUP on cpu 1", "hardlockup"],
    ["rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:", "rcu-stall"],
    ["BUG: KASAN: slab-use-after-free in f+0x1/0x2", "memory-corruption"],
    ["BUG kmalloc-64 (Tainted: G    B      OE     ): Right Redzone overwritten", "memory-corruption"],
    ["BUG: scheduling while atomic: a/9/0x00000002", "atomic-sleep"],
    ["Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)", "no-root"],
    ["Kernel panic - not syncing: No working init found.  Try passing init= option to kernel.", "no-init"],
    ["Kernel panic - not syncing: Fatal machine check", "machine-check"],
    ["Kernel panic - not syncing: something new", "panic"],
  ])("%s", (line, expected) => {
    expect(crashClass([line])).toBe(expected);
  });
});

describe("the culprit of a crash", () => {
  const kernel: Frame = { function: "vfs_write", module: null, via: "log" };
  const guess: Frame = { function: "stale", module: "bystander", moduleOffset: "0x10", via: "log, unsure" };
  const near: Frame = { function: "near", module: "mod", moduleOffset: "0x20", via: "unwind" };
  const far: Frame = { function: "far", module: "other", moduleOffset: "0x30", via: "log" };

  it("is the nearest module that the unwinder vouches for", () => {
    expect(culprit([kernel, guess, near, far], true)).toEqual({
      name: "mod",
      offset: "0x20",
      via: "nearest module on the call trace",
    });
    expect(culprit([kernel, guess], true)).toBeNull();
    expect(culprit([], false)).toBeNull();
  });

  it("is the instruction pointer's module only where the stack starts at the fault", () => {
    expect(culprit([near, far], true)?.via).toBe("instruction pointer");
    expect(culprit([near, far], false)?.via).toBe("nearest module on the call trace");
  });
});
