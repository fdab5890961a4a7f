import { beforeAll, describe, expect, it } from "vitest";
import {
  CONTEXT_FLAGS,
  checkRecords,
  debuggerData64,
  ethread,
  exceptionRecord64,
  KDBG_TAG,
  PAGE_FILL,
  poolHeader,
  specialRegisters,
  USER_SHARED_DATA_ADDRESS,
  unloadedDriver,
  userSharedData,
} from "../../src/dumpfile/index.ts";
import type { EmulatedHost } from "../../src/host/index.ts";
import { crashed, LEAK, type View } from "./lab.ts";
import { exportsOf } from "./unwind-twin.ts";

describe("a stopped guest, read by its dump header and its page tables alone", () => {
  let view: View;
  let host: EmulatedHost;
  beforeAll(async () => {
    ({ view, host } = await crashed(`${LEAK}
processes:
  - { name: vaultd.exe, memory: 256 KiB, private: true, canary: "canaries sing at night" }`));
  });

  it("has a header whose unwritten fields keep the PAGE fill and whose both MXCSRs agree", () => {
    const { header, context } = view;
    expect(header.validDump).toBe(0x34365544);
    expect(header.secondaryDataState).toBe(PAGE_FILL);
    expect(header.attributes).toBe(PAGE_FILL);
    expect(context.mxCsr).toBe(context.fxMxCsr);
    expect(context.contextFlags & CONTEXT_FLAGS.control).toBeTruthy();
    expect(header.numberOfPages).toBe(4096);
    expect(header.bugCheckCode).toBe(0x3f);
  });

  it("has a plain debugger data block with the sizes that a real dump of build 19041 states", () => {
    const { kdbg } = view;
    expect(kdbg.ownerTag).toBe(KDBG_TAG);
    expect(kdbg.size).toBe(debuggerData64.size);
    // From KDDEBUGGER_DATA64 of a real triage dump of that build.
    expect(kdbg).toMatchObject({
      sizeEProcess: 0xa40,
      sizeEThread: 0x898,
      sizePrcb: 0xaf00,
      sizePcr: 0xb080,
      offsetKThreadTeb: 0xf0,
      offsetKThreadKernelStack: 0x58,
      offsetKThreadInitialStack: 0x28,
      offsetKThreadApcProcess: 0xb8,
      offsetKThreadState: 0x184,
      offsetKThreadNextProcessor: 0x218,
      offsetEprocessPeb: 0x550,
      offsetEprocessParentCID: 0x540,
      offsetEprocessDirectoryTableBase: 0x28,
      offsetPrcbCurrentThread: 8,
      offsetPrcbMhz: 0x44,
      offsetPrcbCpuType: 0x40,
      offsetPrcbProcStateContext: 0x1f0,
      offsetPrcbProcStateSpecialReg: 0x100,
      offsetPrcbNumber: 0x24,
      offsetPrcbContext: 0x85c0,
      offsetPrcbIdleThread: 0x18,
      offsetKThreadStackLimit: 0x30,
      offsetKThreadStackBase: 0x38,
      offsetPcrSelfPcr: 0x18,
      offsetPcrCurrentPrcb: 0x20,
      offsetPcrContainedPrcb: 0x180,
    });
    expect(kdbg.kernBase).toBe(view.modules[0]!.dllBase);
    expect(kdbg.psLoadedModuleList).toBe(view.header.psLoadedModuleList);
  });

  it("lists its modules, the kernel first and hal second, by full paths", () => {
    expect(view.modules.slice(0, 2).map(({ path }) => path)).toEqual([
      "\\SystemRoot\\system32\\ntoskrnl.exe",
      "\\SystemRoot\\system32\\hal.dll",
    ]);
    const names = view.modules.map(({ name }) => name);
    expect(names).toContain("leakdrv.sys");
    expect(names).not.toContain("dump_diskdump.sys");
    for (const { dllBase } of view.modules)
      expect(Buffer.from(view.memory.read(dllBase, 2)).toString("latin1")).toBe("MZ");
  });

  it("remembers the driver it unloaded, whose pages are gone", () => {
    const array = view.word(view.kdbg.mmUnloadedDrivers);
    const entry = unloadedDriver.read(view.memory.read(array, unloadedDriver.size));
    expect(view.text(array)).toBe("dump_diskdump.sys");
    expect(() => view.memory.read(entry.startAddress, 2)).toThrow();
  });

  it("lists its processes with page tables of their own, and the kernel's half in all of them", () => {
    const names = view.processes.map(({ imageFileName }) => imageFileName);
    expect(names[0]).toBe("System");
    expect(names).toContain("vaultd.exe");
    const roots = view.processes.map(({ directoryTableBase }) => Number(directoryTableBase & ~0xfffn));
    expect(new Set(roots).size).toBe(roots.length);
    const identifiers = view.processes.map(({ directoryTableBase }) => directoryTableBase & 0xfffn);
    expect(identifiers[0]).toBe(0n);
    expect(new Set(identifiers).size).toBe(roots.length);
    const kernelHalf = (root: number) => {
      const entries = new BigUint64Array(view.physical.read(root, 4096).buffer).slice(256);
      const selfMap = Number((view.kdbg.pteBase >> 39n) & 511n) - 256;
      expect(Number(entries[selfMap]! & 0xf_ffff_ffff_f000n)).toBe(root);
      entries[selfMap] = 0n;
      return entries;
    };
    for (const root of roots.slice(1)) expect(kernelHalf(root)).toEqual(kernelHalf(roots[0]!));
  });

  it("has threads whose stacks lie between limit and base, in the process that owns them", () => {
    for (const process of view.processes) {
      expect(process.threads.length).toBe(process.activeThreads);
      for (const thread of process.threads) {
        expect(thread.process).toBe(process.object);
        expect(thread.uniqueProcess).toBe(process.uniqueProcessId);
        expect(thread.kernelStack).toBeGreaterThanOrEqual(thread.stackLimit);
        expect(thread.kernelStack).toBeLessThan(thread.stackBase);
        expect(() => view.memory.read(thread.stackLimit - 1n, 1)).toThrow();
        view.memory.read(thread.stackLimit, Number(thread.stackBase - thread.stackLimit));
      }
    }
  });

  it("has processor blocks that name the running threads and hold the frozen contexts", () => {
    expect(view.processors).toHaveLength(2);
    const running = new Set(view.processors.map(({ currentThread }) => currentThread));
    expect(running.size).toBe(2);
    for (const {
      currentThread,
      contextFrame,
      context,
      address,
      number,
      specialRegisters: special,
    } of view.processors) {
      const thread = ethread.read(view.memory.read(currentThread, ethread.size));
      const rsp = new DataView(contextFrame.buffer).getBigUint64(0x98, true);
      expect(rsp).toBeGreaterThan(thread.stackLimit);
      expect(rsp).toBeLessThan(thread.stackBase);
      expect(view.memory.read(context, contextFrame.length)).toEqual(contextFrame);
      expect(view.word(address - 0x180n + 0x18n)).toBe(address - 0x180n); // KPCR.Self
      expect(host.processors("subject")[number]!.registers.rsp).toBe(rsp);
      expect(specialRegisters.read(special).cr3).toBe(view.header.directoryTableBase);
    }
  });

  it("has the stop code in KiBugcheckData as in the header", () => {
    const words = [0, 1, 2, 3, 4].map((index) => view.word(view.kdbg.kiBugcheckData + BigInt(8 * index)));
    const { header } = view;
    expect(words).toEqual([
      BigInt(header.bugCheckCode),
      header.bugCheckParameter1,
      header.bugCheckParameter2,
      header.bugCheckParameter3,
      header.bugCheckParameter4,
    ]);
  });

  it("says in the exception record that KeBugCheckEx was called", () => {
    const record = exceptionRecord64.read(view.header.exception);
    expect(record.exceptionCode).toBe(0x8000_0003);
    expect(record.exceptionAddress).toBe(view.context.rip);
  });

  it("has its clock in KUSER_SHARED_DATA and in the header", () => {
    const shared = userSharedData.read(view.memory.read(USER_SHARED_DATA_ADDRESS, userSharedData.size));
    expect(shared.ntBuildNumber).toBe(19041);
    const low = new DataView(shared.systemTime.buffer);
    expect((BigInt(low.getUint32(4, true)) << 32n) | BigInt(low.getUint32(0, true))).toBe(view.header.systemTime);
    const unixMilliseconds = Number((view.header.systemTime - view.header.systemUpTime) / 10_000n) - 11_644_473_600_000;
    expect(new Date(unixMilliseconds).toISOString()).toBe("2026-01-15T03:12:00.000Z");
  });

  it("counts system PTEs as its page tables do", () => {
    const ntoskrnl = view.modules[0]!.dllBase;
    const rva = exportsOf((at, bytes) => view.memory.read(ntoskrnl + BigInt(at), bytes)).get("LabCheckRecords")!;
    const block = checkRecords.read(view.memory.read(ntoskrnl + BigInt(rva), checkRecords.size));
    const start = view.word(view.kdbg.mmSystemPtesStart);
    const total = Number((view.word(view.kdbg.mmSystemPtesEnd) - start) >> 12n);
    expect(total).toBe(1024);
    let valid = 0;
    for (let index = 0; index < total; index++) {
      const entry = view.kdbg.pteBase + ((start & 0xffff_ffff_ffffn) >> 9n) + BigInt(8 * index);
      if (view.word(entry) & 1n) valid++; // through the self-map
    }
    expect(total - valid).toBe(Number(block.freePtes));
    expect(Number(view.header.bugCheckParameter4)).toBe(total);
    expect(Number(view.header.bugCheckParameter3)).toBe(total - valid);
  });

  it("has pool pages that are whole: every block's size leads to the next, which knows it", () => {
    const start = view.word(view.kdbg.mmNonPagedPoolStart);
    const end = view.word(view.kdbg.mmNonPagedPoolEnd);
    let blocks = 0;
    const tags = new Set<string>();
    for (let page = start; page < end; page += 0x1000n) {
      let bytes: Uint8Array;
      try {
        bytes = view.memory.read(page, 0x1000);
      } catch {
        continue;
      }
      const first = poolHeader.read(bytes);
      if (first.previousSize !== 0 || first.blockSize === 0 || first.poolType > 3) continue; // a page handed out whole
      for (let at = 0, before = 0; at < 0xff0; ) {
        const { previousSize, blockSize, poolType, poolTag } = poolHeader.read(bytes, at);
        if (at === 0 && poolTag === 0 && poolType !== 0) break;
        expect(previousSize).toBe(before);
        expect(blockSize).toBeGreaterThan(1);
        if (poolType) tags.add(Buffer.from(new Uint32Array([poolTag]).buffer).toString("latin1"));
        before = blockSize;
        at += blockSize * 16;
        blocks++;
      }
    }
    expect(blocks).toBeGreaterThan(50);
    for (const tag of ["Proc", "Thre", "MmLd", "Work"]) expect(tags).toContain(tag);
  });

  it("failure management 2.7/8: a private process's text lies in its private pages and nowhere else", () => {
    const canary = Buffer.from("canaries sing at night");
    const privatePages = new Set(
      host
        .privatePages("subject")
        .flatMap(({ firstPage, pageCount }) => Array.from({ length: pageCount }, (_, index) => firstPage + index)),
    );
    const places: number[] = [];
    const all = Buffer.from(view.physical.read(0, 16 * 2 ** 20).buffer);
    for (let at = all.indexOf(canary); at >= 0; at = all.indexOf(canary, at + 1)) places.push(Math.floor(at / 4096));
    expect(places.length).toBeGreaterThan(1);
    for (const page of places) expect(privatePages).toContain(page);
    expect(host.console("subject")).not.toContain("canaries");
  });
});
