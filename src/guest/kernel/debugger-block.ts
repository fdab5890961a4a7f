import { PAGE_SIZE } from "../../binary/index.ts";
import { debuggerData64, eprocess, ethread, KDBG_TAG, kpcr, kprcb, listEntry64 } from "../../dumpfile/index.ts";
import type { Kernel } from "./kernel.ts";

/** Fills KDDEBUGGER_DATA64: the addresses of the kernel's variables, and where fields lie in its objects. Plain, never encoded. */
export function fillDebuggerBlock(kernel: Kernel): void {
  const block = kernel.variable("KdDebuggerDataBlock");
  const list = kernel.variable("KdpDebuggerDataListHead");
  const at = (name: string) => kernel.variable(name);
  kernel.memory.put(listEntry64, list, { flink: block, blink: block });
  kernel.memory.put(debuggerData64, block, {
    listFlink: list,
    listBlink: list,
    ownerTag: KDBG_TAG,
    size: debuggerData64.size,
    kernBase: kernel.nt.base,
    flags: 1,
    psLoadedModuleList: at("PsLoadedModuleList"),
    psActiveProcessHead: at("PsActiveProcessHead"),
    pspCidTable: at("PspCidTable"),
    keTimeIncrement: at("KeTimeIncrement"),
    kiBugcheckData: at("KiBugcheckData"),
    mmPfnDatabase: at("MmPfnDatabase"),
    mmSystemPtesStart: at("MmSystemPtesStart"),
    mmSystemPtesEnd: at("MmSystemPtesEnd"),
    mmLowestPhysicalPage: at("MmLowestPhysicalPage"),
    mmHighestPhysicalPage: at("MmHighestPhysicalPage"),
    mmNumberOfPhysicalPages: at("MmNumberOfPhysicalPages"),
    mmNonPagedPoolStart: at("MmNonPagedPoolStart"),
    mmNonPagedPoolEnd: at("MmNonPagedPoolEnd"),
    mmPagedPoolStart: at("MmPagedPoolStart"),
    mmPagedPoolEnd: at("MmPagedPoolEnd"),
    mmPageSize: BigInt(PAGE_SIZE),
    mmFreePageListHead: at("MmFreePageListHead"),
    mmAvailablePages: at("MmAvailablePages"),
    mmHighestUserAddress: at("MmHighestUserAddress"),
    mmSystemRangeStart: at("MmSystemRangeStart"),
    mmUserProbeAddress: at("MmUserProbeAddress"),
    ntBuildLab: at("NtBuildLab"),
    kiProcessorBlock: at("KiProcessorBlock"),
    mmUnloadedDrivers: at("MmUnloadedDrivers"),
    mmLastUnloadedDriver: at("MmLastUnloadedDriver"),
    cmNtCSDVersion: at("CmNtCSDVersion"),
    mmPhysicalMemoryBlock: at("MmPhysicalMemoryBlock"),
    pteBase: kernel.layout.pteBase,
    ...objectOffsets(),
  });
}

/** The offsets as build 19041 has them: those of our layouts where we have the field, else the values a real dump of it states. */
function objectOffsets() {
  return {
    offsetKThreadNextProcessor: ethread.fields.nextProcessor.offset,
    offsetKThreadTeb: ethread.fields.teb.offset,
    offsetKThreadKernelStack: ethread.fields.kernelStack.offset,
    offsetKThreadInitialStack: ethread.fields.initialStack.offset,
    offsetKThreadApcProcess: ethread.fields.apcStateProcess.offset,
    offsetKThreadState: ethread.fields.state.offset,
    offsetKThreadStackLimit: ethread.fields.stackLimit.offset,
    offsetKThreadStackBase: ethread.fields.stackBase.offset,
    offsetKThreadQueueListEntry: 0x208,
    offsetKThreadWaitReason: 0x283,
    offsetEThreadIrpList: 0x4b0,
    sizeEThread: ethread.size,
    sizeEProcess: eprocess.size,
    offsetEprocessPeb: eprocess.fields.peb.offset,
    offsetEprocessParentCID: eprocess.fields.inheritedFromUniqueProcessId.offset,
    offsetEprocessDirectoryTableBase: eprocess.fields.directoryTableBase.offset,
    sizePrcb: kprcb.size,
    offsetPrcbDpcRoutine: 0x312a,
    offsetPrcbCurrentThread: kprcb.fields.currentThread.offset,
    offsetPrcbMhz: kprcb.fields.mhz.offset,
    offsetPrcbCpuType: kprcb.fields.cpuType.offset,
    offsetPrcbVendorString: 0x8590,
    offsetPrcbProcStateContext: kprcb.fields.contextFrame.offset,
    offsetPrcbProcStateSpecialReg: kprcb.fields.specialRegisters.offset,
    offsetPrcbNumber: kprcb.fields.number.offset,
    offsetPrcbContext: kprcb.fields.context.offset,
    offsetPrcbIdleThread: kprcb.fields.idleThread.offset,
    offsetPrcbNormalDpcState: 0x312c,
    offsetPrcbDpcStack: 0x3110,
    offsetPrcbIsrStack: 0x85d8,
    sizeKDPC_STACK_FRAME: 0x50,
    offsetKPriQueueThreadListHead: 0x2a0,
    sizePcr: kpcr.size,
    offsetPcrSelfPcr: kpcr.fields.self.offset,
    offsetPcrCurrentPrcb: kpcr.fields.currentPrcb.offset,
    offsetPcrContainedPrcb: kpcr.fields.prcb.offset,
    gdtR0Code: 0x10,
    gdtR0Data: 0x18,
    gdtR3Code: 0x33,
    gdtR3Data: 0x2b,
    gdtTss: 0x40,
    gdt64R3CmCode: 0x23,
    gdt64R3CmTeb: 0x53,
  };
}
