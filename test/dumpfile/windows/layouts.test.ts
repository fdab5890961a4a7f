import { readFileSync } from "node:fs";
import { expect } from "vitest";
import {
  contextX64,
  debuggerData64,
  dumpHeader64,
  eprocess,
  ethread,
  exceptionRecord64,
  kpcr,
  kprcb,
  specialRegisters,
  triageDump64,
} from "../../../src/dumpfile/windows/index.ts";
import { sharedData, withPeers } from "../../peers.ts";

const X64 = "windows/rizin/triage_x64.dmp";

withPeers({ data: X64 }).describe("the tables against a real triage dump (x64, build 19041)", () => {
  const open = () => {
    const file = readFileSync(sharedData(X64));
    const index = triageDump64.read(file, 0x2000);
    return {
      file,
      index,
      header: dumpHeader64.read(file),
      debuggerData: debuggerData64.read(file, index.debuggerDataOffset),
      prcb: kprcb.read(file, index.prcbOffset),
      process: eprocess.read(file, index.processOffset),
      thread: ethread.read(file, index.threadOffset),
    };
  };
  const { it } = withPeers({ data: X64 });

  it("sizes and offsets are the ones that the kernel itself states in its debugger data", () => {
    const { debuggerData: kernel } = open();
    expect(kernel.size).toBe(debuggerData64.size);
    expect(kernel.sizeEProcess).toBe(eprocess.size);
    expect(kernel.sizeEThread).toBe(ethread.size);
    expect(kernel.sizePrcb).toBe(kprcb.size);
    expect(kernel.sizePcr).toBe(kpcr.size);
    expect(kernel.offsetEprocessDirectoryTableBase).toBe(eprocess.fields.directoryTableBase.offset);
    expect(kernel.offsetEprocessParentCID).toBe(eprocess.fields.inheritedFromUniqueProcessId.offset);
    expect(kernel.offsetEprocessPeb).toBe(eprocess.fields.peb.offset);
    expect(kernel.offsetKThreadInitialStack).toBe(ethread.fields.initialStack.offset);
    expect(kernel.offsetKThreadStackLimit).toBe(ethread.fields.stackLimit.offset);
    expect(kernel.offsetKThreadStackBase).toBe(ethread.fields.stackBase.offset);
    expect(kernel.offsetKThreadKernelStack).toBe(ethread.fields.kernelStack.offset);
    expect(kernel.offsetKThreadApcProcess).toBe(ethread.fields.apcStateProcess.offset);
    expect(kernel.offsetKThreadTeb).toBe(ethread.fields.teb.offset);
    expect(kernel.offsetKThreadState).toBe(ethread.fields.state.offset);
    expect(kernel.offsetKThreadNextProcessor).toBe(ethread.fields.nextProcessor.offset);
    expect(kernel.offsetPrcbCurrentThread).toBe(kprcb.fields.currentThread.offset);
    expect(kernel.offsetPrcbIdleThread).toBe(kprcb.fields.idleThread.offset);
    expect(kernel.offsetPrcbNumber).toBe(kprcb.fields.number.offset);
    expect(kernel.offsetPrcbCpuType).toBe(kprcb.fields.cpuType.offset);
    expect(kernel.offsetPrcbMhz).toBe(kprcb.fields.mhz.offset);
    expect(kernel.offsetPrcbProcStateSpecialReg).toBe(kprcb.fields.specialRegisters.offset);
    expect(kernel.offsetPrcbProcStateContext).toBe(kprcb.fields.contextFrame.offset);
    expect(kernel.offsetPrcbContext).toBe(kprcb.fields.context.offset);
    expect(kernel.offsetPcrSelfPcr).toBe(kpcr.fields.self.offset);
    expect(kernel.offsetPcrCurrentPrcb).toBe(kpcr.fields.currentPrcb.offset);
    expect(kernel.offsetPcrContainedPrcb).toBe(kpcr.fields.prcb.offset);
  });

  it("process, thread and processor say the same of one another, read through the tables", () => {
    const { header, debuggerData, prcb, process, thread } = open();
    expect(process.headerType).toBe(3);
    expect(process.imageFileName).toBe("System");
    expect(process.uniqueProcessId).toBe(4n);
    expect(process.directoryTableBase).toBe(header.directoryTableBase);
    // System heads the list of processes: the link before it is the list's head.
    expect(Buffer.from(process.activeProcessLinks).readBigUInt64LE(8)).toBe(header.psActiveProcessHead);
    expect(debuggerData.psActiveProcessHead).toBe(header.psActiveProcessHead);
    expect(process.createTime).toBeLessThan(header.systemTime);
    expect(header.systemTime - process.createTime).toBeLessThan(header.systemUpTime);

    expect(thread.headerType).toBe(6);
    expect(thread.uniqueProcess).toBe(process.uniqueProcessId);
    expect(thread.process).toBe(thread.apcStateProcess);
    // A system thread starts where it was told to: the two start addresses agree.
    expect(thread.startAddress).toBe(thread.win32StartAddress);
    expect(thread.createTime).toBeLessThan(header.systemTime);
    expect(thread.stackBase - thread.stackLimit).toBe(0x6000n);
    for (const address of [thread.initialStack, thread.kernelStack, contextX64.read(header.contextRecord).rsp]) {
      expect(address).toBeGreaterThan(thread.stackLimit);
      expect(address).toBeLessThan(thread.stackBase);
    }
    expect(prcb.rspBase).toBe(thread.initialStack);
    expect(prcb.mxCsr).toBe(0x1f80);
    const special = specialRegisters.read(prcb.specialRegisters);
    expect(special.cr3).toBe(header.directoryTableBase);
    expect(special.cr0 & 0x8000_0001n).toBe(0x8000_0001n); // paging and protection are on
    // The IDT is 256 gates of 16 bytes, the GDT ends at the TSS; TR selects it.
    expect(special.idtrLimit).toBe(0xfff);
    expect(special.gdtrLimit).toBe(0x57);
    expect(special.tr).toBe(0x40);
  });

  it("the header's context is whole: both MXCSRs agree, and kernel selectors", () => {
    const { header } = open();
    const context = contextX64.read(header.contextRecord);
    expect(context.mxCsr).toBe(context.fxMxCsr);
    expect([context.segCs, context.segSs]).toEqual([0x10, 0x18]);
    const exception = exceptionRecord64.read(header.exception);
    expect(exception.exceptionCode).toBe(0x80000003);
    expect(exception.numberParameters).toBe(0);
  });
});
