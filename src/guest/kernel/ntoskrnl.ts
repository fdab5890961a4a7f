import {
  checkRecords,
  debuggerData64,
  FORCED_IRQL_EXPORT,
  forcedIrql,
  listEntry64,
  POOL_TRACKING_EXPORT,
  poolTracking,
  CHECK_RECORDS_EXPORT as records,
} from "../../dumpfile/index.ts";
import { CONTEXT_FRAME_BYTES, RECORD_FRAME_BYTES } from "../faults/unhandled-exception.ts";
import { call, callPointer, declare, load, store } from "../image/function.ts";
import type { ImageDeclaration } from "../image/image-declaration.ts";
import { POOL_DESCRIPTOR_BYTES } from "../memory/pool.ts";
import { specialPoolQueue } from "../memory/special-pool.ts";

const MAX_PROCESSORS = 64;

const threads = [
  declare("KiStartSystemThread", { locals: 0x10 }, callPointer("SystemRoutine")),
  declare(
    "PspSystemThreadStartup",
    { saves: ["rbx"], locals: 0x10 },
    callPointer("StartRoutine"),
    call("PsTerminateSystemThread"),
  ),
  declare(
    "PspUserThreadStartup",
    { saves: ["rbx", "rdi"], locals: 0x20 },
    call("KeWaitForSingleObject"),
    call("KeDelayExecutionThread"),
    call("NtReadFile"),
    load("ReadPage"),
    store("WritePage"),
    call("MmCheckCachedPageStates"),
    call("NtDeviceIoControlFile"),
    call("NtTerminateProcess"),
    call("NtCreateUserProcess"),
  ),
  declare("PsCreateSystemThread", { saves: ["rbx", "rsi", "rdi"], locals: 0x60 }, call("ExAllocatePoolWithTag")),
  declare("PsTerminateSystemThread", { saves: ["rbx"] }, call("KiSwapThread")),
  declare("KeDelayExecutionThread", { saves: ["rbx"], locals: 0x40 }, call("KiCommitThreadWait")),
  declare("KeWaitForSingleObject", { saves: ["rbx", "rsi"], locals: 0x50 }, call("KiCommitThreadWait")),
  declare("KiCommitThreadWait", { saves: ["rbx"], locals: 0x40 }, call("KiSwapThread")),
  declare("KiSwapThread", { saves: ["rbx", "rdi"], locals: 0x60 }, call("KiSwapContext")),
  declare("KiSwapContext", { saves: ["rbx", "rbp", "rsi", "rdi", "r12", "r13", "r14", "r15"], locals: 0xf0 }),
  declare("KiIdleLoop", { locals: 0x10 }, call("PoIdle")),
  declare("PoIdle", { saves: ["rbx", "rsi", "rdi"], locals: 0x80 }, call("hal!HalProcessorIdle")),
];

const memory = [
  declare(
    "ExAllocatePoolWithTag",
    { saves: ["rbx", "rsi", "rdi"], locals: 0x20 },
    call("MiAllocatePoolPages"),
    load("ReadLink"),
    call("KeBugCheckEx"),
  ),
  declare(
    "ExFreePoolWithTag",
    { saves: ["rbx", "rbp", "rsi"], locals: 0x20 },
    call("MiFreePoolPages"),
    call("MmFreeSpecialPool"),
    call("VfFreePoolNotification"),
    load("ReadLink"),
    call("KeBugCheckEx"),
  ),
  declare("memmove", {}, load("ReadSource")),
  declare("MmFreeSpecialPool", { saves: ["rbx", "rsi", "rdi"], locals: 0x40 }, call("KeBugCheckEx")),
  declare("MiAllocatePoolPages", { saves: ["rbx", "rsi"], locals: 0x40 }),
  declare("MiFreePoolPages", { saves: ["rbx"], locals: 0x40 }),
  declare("IoAllocateMdl", { saves: ["rbx", "rsi", "rdi"] }, call("ExAllocatePoolWithTag")),
  declare("IoFreeMdl", { saves: ["rbx"] }, call("ExFreePoolWithTag")),
  declare("MmBuildMdlForNonPagedPool", { saves: ["rbx"] }),
  declare(
    "MmMapLockedPagesSpecifyCache",
    { saves: ["rbx", "rbp", "rsi", "rdi"], locals: 0x48 },
    call("MiReservePtes"),
    call("MiIssueNoPtesBugcheck"),
  ),
  declare("MmProbeAndLockPages", { saves: ["rbx", "rsi", "rdi", "r12"], locals: 0x90 }),
  declare("MmUnlockPages", { saves: ["rbx", "rsi", "rdi"], locals: 0x50 }, call("KeBugCheckEx")),
  declare("MmAllocatePagesForMdl", { saves: ["rbx", "rsi"], locals: 0x40 }),
  declare("MmGetPhysicalAddress", {}),
  declare(
    "MmUnmapLockedPages",
    { saves: ["rbx", "rsi"], locals: 0x30 },
    call("MiReleasePtes"),
    call("MiRemovePteTracker"),
  ),
  declare("MiRemovePteTracker", { saves: ["rbx", "rsi", "rdi"], locals: 0x40 }, call("KeBugCheckEx")),
  declare("MiReservePtes", { saves: ["rbx", "rbp", "rsi", "rdi", "r14"], locals: 0x70 }),
  declare("MiReleasePtes", { saves: ["rbx", "rsi", "rdi"], locals: 0x50 }),
  declare("MiIssueNoPtesBugcheck", { saves: ["rbx"], locals: 0x20 }, call("KeBugCheckEx")),
];

const unloading = [
  declare(
    "ExpWorkerThread",
    { saves: ["rbx", "rsi", "rdi"], locals: 0x60 },
    call("KeWaitForSingleObject"),
    callPointer("WorkerRoutine"),
  ),
  declare(
    "IopLoadUnloadDriver",
    { saves: ["rbx", "rsi"], locals: 0x50 },
    callPointer("DriverUnload"),
    call("IoDeleteDevice"),
    call("IopDeleteDriver"),
    call("MmUnloadSystemImage"),
    call("ExAllocatePoolWithTag"),
    call("IopLoadDriver"),
  ),
  declare("IoDeleteDevice", { saves: ["rbx", "rsi"], locals: 0x30 }, call("ExFreePoolWithTag")),
  declare("IopDeleteDriver", { saves: ["rbx"], locals: 0x30 }, call("ExFreePoolWithTag")),
  declare("MmUnloadSystemImage", { saves: ["rbx"], locals: 0x20 }, call("MiUnloadSystemImage")),
  declare(
    "MiUnloadSystemImage",
    { saves: ["rbx", "rsi", "rdi"], locals: 0x80 },
    call("VfDriverUnloadImage"),
    call("ExAllocatePoolWithTag"),
    call("ExFreePoolWithTag"),
  ),
  declare(
    "VfDriverUnloadImage",
    { saves: ["rbx", "rdi"], locals: 0x20 },
    call("KeCheckForTimer"),
    call("ExpCheckForWorker"),
    call("VfPoolCheckForLeaks"),
  ),
  declare("KeCheckForTimer", { saves: ["rbx", "rsi", "rdi"], locals: 0x40 }, call("KeBugCheckEx")),
  declare("ExpCheckForWorker", { saves: ["rbx", "rsi"], locals: 0x30 }, call("KeBugCheckEx")),
  declare("VfPoolCheckForLeaks", { saves: ["rbx", "rsi"], locals: 0x30 }, call("VerifierBugCheckIfAppropriate")),
  declare("VfFreePoolNotification", { saves: ["rbx", "rsi"], locals: 0x30 }, call("VerifierBugCheckIfAppropriate")),
  declare("VerifierBugCheckIfAppropriate", { saves: ["rbx"], locals: 0x30 }, call("KeBugCheckEx")),
];

const faults = [
  declare("MmCheckCachedPageStates", { saves: ["rbx", "rsi", "rdi"], locals: 0x40 }, call("KeBugCheckEx")),
  declare("KiPageFault", { saves: ["rbp"], trap: true }, call("MmAccessFault"), call("KiBugCheckDispatch")),
  declare(
    "MmAccessFault",
    { saves: ["rbx", "rsi", "rdi", "r12"], locals: 0xa0 },
    call("MiSystemFault"),
    call("MiDispatchFault"),
  ),
  declare("MiDispatchFault", { saves: ["rbx", "rsi", "rdi"], locals: 0x80 }, call("MiIssueHardFault")),
  declare(
    "MiIssueHardFault",
    { saves: ["rbx", "rsi", "r14"], locals: 0x60 },
    call("IoPageRead"),
    call("MiWaitForInPageComplete"),
  ),
  declare("IoPageRead", { saves: ["rbx", "rdi"], locals: 0x40 }),
  declare(
    "MiWaitForInPageComplete",
    { saves: ["rbx", "rsi", "rdi"], locals: 0x50 },
    call("KeWaitForSingleObject"),
    call("KeBugCheckEx"),
  ),
  declare("MiSystemFault", { saves: ["rbx", "rbp", "rdi"], locals: 0x90 }, call("KeBugCheckEx")),
  declare("KiDoubleFaultAbort", { saves: ["rbp"], trap: true }, call("KeBugCheckEx")),
  declare("KiGeneralProtectionFault", { saves: ["rbp"], trap: true }, call("KiExceptionDispatch")),
  declare("KiExceptionDispatch", { locals: 0x138 + RECORD_FRAME_BYTES }, call("KiDispatchException")),
  declare(
    "KiDispatchException",
    { saves: ["rbx", "rbp", "rsi", "rdi"], locals: 0x80 + CONTEXT_FRAME_BYTES },
    call("RtlDispatchException"),
  ),
  declare(
    "RtlDispatchException",
    { saves: ["rbx", "rsi", "rdi", "r14"], locals: 0x4a0 },
    call("RtlpExecuteHandlerForException"),
  ),
  declare("RtlpExecuteHandlerForException", { locals: 0x18 }, call("_C_specific_handler")),
  declare("_C_specific_handler", { saves: ["rbx", "rsi", "rdi"], locals: 0x60 }, callPointer("ExceptionFilter")),
  declare("PspSystemThreadStartup$filt$0", { saves: ["rbp"], locals: 0x20 }, call("KeBugCheckEx")),
  declare("KiRaiseSecurityCheckFailure", { saves: ["rbp"], trap: true }, call("KiFastFailDispatch")),
  declare("KiFastFailDispatch", { locals: 0x40 + RECORD_FRAME_BYTES }, call("KiBugCheckDispatch")),
  declare("KiMcheckAbort", { saves: ["rbp"], trap: true }, call("hal!HalpMceHandler")),
  declare("WheaReportHwError", { saves: ["rbx", "rsi", "rdi"], locals: 0x80 }, call("hal!HalBugCheckSystem")),
  declare("KiBugCheckDispatch", { locals: 0x118 }, call("KeBugCheckEx")),
  declare("KeBugCheckEx", { locals: 0x18 }, call("KeBugCheck2")),
  declare("KeBugCheck2", { saves: ["rbx", "rbp", "rsi", "rdi", "r12"], locals: 0x5e0 }, call("hal!HalRequestIpi")),
];

const interrupts = [
  declare("KeInsertQueueDpc", { saves: ["rbx", "rsi"], locals: 0x40 }, call("hal!HalRequestSoftwareInterrupt")),
  declare("KiDpcInterrupt", { saves: ["rbp"], trap: true }, call("KiRetireDpcList")),
  declare(
    "KiRetireDpcList",
    { saves: ["rbx", "rsi", "rdi"], locals: 0x90 },
    call("KiExecuteAllDpcs"),
    call("KiProcessExpiredTimerList"),
  ),
  declare("KiExecuteAllDpcs", { saves: ["rbx", "rsi", "r14"], locals: 0x80 }, callPointer("DeferredRoutine")),
  declare("KiProcessExpiredTimerList", { saves: ["rbx", "rsi", "rdi"], locals: 0xc0 }, callPointer("DeferredRoutine")),
  declare("KiInterruptDispatch", { saves: ["rbp"], trap: true }, call("KiCallInterruptServiceRoutine")),
  declare("KiCallInterruptServiceRoutine", { saves: ["rbx"], locals: 0x30 }, call("hal!HalpTimerClockInterrupt")),
  declare("KeClockInterruptNotify", { saves: ["rbx", "rdi"], locals: 0x60 }, call("KeAccumulateTicks")),
  declare(
    "KeAccumulateTicks",
    { saves: ["rbx", "rsi"], locals: 0x50 },
    call("ExAllocatePoolWithTag"),
    call("KeBugCheckEx"),
  ),
];

const deferred = [
  declare("KeSetTimer", { saves: ["rbx", "rsi"], locals: 0x20 }),
  declare("KeCancelTimer", { saves: ["rbx"], locals: 0x10 }),
  declare("ExQueueWorkItem", { saves: ["rbx", "rsi"], locals: 0x30 }),
];

const power = [
  declare("IoAttachDeviceToDeviceStack", { saves: ["rbx", "rsi"], locals: 0x20 }),
  declare(
    "PoRequestPowerIrp",
    { saves: ["rbx", "rsi", "rdi"], locals: 0x60 },
    call("ExAllocatePoolWithTag"),
    call("IofCallDriver"),
  ),
  declare("IofCallDriver", { saves: ["rbx"], locals: 0x20 }, callPointer("MajorFunction")),
  declare("IofCompleteRequest", { saves: ["rbx", "rsi", "rdi"], locals: 0x50 }),
  declare("PopIrpWatchdog", { saves: ["rbx"], locals: 0x20 }, call("PopIrpWatchdogBugcheck")),
  declare("PopIrpWatchdogBugcheck", { saves: ["rbx"], locals: 0x60 }, call("KeBugCheckEx")),
];

const system = [
  declare("KiSystemStartup", { locals: 0x40 }, call("KiIdleLoop")),
  declare(
    "Phase1Initialization",
    { saves: ["rbx"], locals: 0x10 },
    call("IopInitializeBootDrivers"),
    call("MmZeroPageThread"),
  ),
  declare("KeBalanceSetManager", { saves: ["rbx", "rsi"], locals: 0x60 }, call("KeDelayExecutionThread")),
  declare(
    "KeSwapProcessOrStack",
    { saves: ["rbx", "rsi"], locals: 0x30 },
    call("KeWaitForSingleObject"),
    call("KiInSwapKernelStacks"),
  ),
  declare("KiInSwapKernelStacks", { saves: ["rbx", "rdi"], locals: 0x20 }, call("MmInPageKernelStack")),
  declare("MmInPageKernelStack", { saves: ["rbx", "rsi", "rdi"], locals: 0x40 }, call("MiInPageSingleKernelStack")),
  declare(
    "MiInPageSingleKernelStack",
    { saves: ["rbx", "rsi", "r14"], locals: 0x80 },
    call("KeWaitForSingleObject"),
    call("KeBugCheckEx"),
  ),
  declare("MmZeroPageThread", { saves: ["rbx", "rsi", "rdi"], locals: 0x60 }, call("KeWaitForSingleObject")),
  declare(
    "IopInitializeBootDrivers",
    { saves: ["rbx", "rsi", "rdi"], locals: 0x90 },
    call("ExAllocatePoolWithTag"),
    call("IopLoadDriver"),
    call("IopMarkBootPartition"),
  ),
  declare(
    "IopMarkBootPartition",
    { saves: ["rbx", "rsi"], locals: 0x50 },
    call("ExAllocatePoolWithTag"),
    call("KeWaitForSingleObject"),
    call("KeBugCheckEx"),
  ),
  declare("IopLoadDriver", { saves: ["rbx", "rsi", "rdi", "r14"], locals: 0xb0 }, callPointer("DriverEntry")),
  declare("NtDeviceIoControlFile", { saves: ["rbx", "rsi", "rdi"], locals: 0x90 }, call("IofCallDriver")),
  declare("NtCreateUserProcess", { saves: ["rbx", "rsi", "rdi", "r14"], locals: 0xf0 }, call("ExAllocatePoolWithTag")),
  declare("NtTerminateProcess", { saves: ["rbx", "rsi"], locals: 0x40 }, call("PspExitThread")),
  declare("PspExitThread", { saves: ["rbx", "rbp", "rsi", "rdi"], locals: 0x90 }, call("MmCleanProcessAddressSpace")),
  declare("MmCleanProcessAddressSpace", { saves: ["rbx", "rdi"], locals: 0x60 }, call("KeBugCheckEx")),
  declare("NtReadFile", { saves: ["rbx", "rsi", "rdi", "r14"], locals: 0x70 }, call("IopSynchronousServiceTail")),
  declare("IopSynchronousServiceTail", { saves: ["rbx", "rsi"], locals: 0x60 }, call("KeWaitForSingleObject")),
  declare("IoCreateDevice", { saves: ["rbx", "rsi", "rdi"], locals: 0x60 }, call("ExAllocatePoolWithTag")),
  declare("KfRaiseIrql", {}),
  declare("KeLowerIrql", {}),
];

const variable = (name: string, bytes = 8) => ({ name, bytes });

/** Variables a debugger is told of, by KDDEBUGGER_DATA64 or by name. */
const data = [
  variable("KdDebuggerDataBlock", debuggerData64.size),
  variable("KdpDebuggerDataListHead", listEntry64.size),
  variable("PsLoadedModuleList", listEntry64.size),
  variable("PsActiveProcessHead", listEntry64.size),
  variable("PsInitialSystemProcess"),
  variable("PsIdleProcess"),
  variable("KiProcessorBlock", 8 * MAX_PROCESSORS),
  variable("KeNumberProcessors", 4),
  variable("KeTimeIncrement", 4),
  variable("KiBugcheckData", 5 * 8),
  variable("NtBuildLab", 64),
  variable("CmNtCSDVersion", 4),
  variable("MmPhysicalMemoryBlock"),
  variable("MmPfnDatabase"),
  variable("MmFreePageListHead", 0x20),
  variable("MmAvailablePages"),
  variable("MmNumberOfPhysicalPages"),
  variable("MmLowestPhysicalPage"),
  variable("MmHighestPhysicalPage"),
  variable("MmUnloadedDrivers"),
  variable("MmLastUnloadedDriver", 4),
  variable("MmSystemPtesStart"),
  variable("MmSystemPtesEnd"),
  variable("MiSystemPteBitmap", 0x20),
  variable("MmNonPagedPoolStart"),
  variable("MmNonPagedPoolEnd"),
  variable("MmPagedPoolStart"),
  variable("MmPagedPoolEnd"),
  variable("MiNonPagedPool", POOL_DESCRIPTOR_BYTES),
  variable("MiPagedPool", POOL_DESCRIPTOR_BYTES),
  variable("MiSpecialPool", specialPoolQueue.size),
  variable("MmHighestUserAddress"),
  variable("MmSystemRangeStart"),
  variable("MmUserProbeAddress"),
  variable("PspCidTable"),
  variable("PopIrpList", listEntry64.size),
  variable("PopIrpThreadList", listEntry64.size),
  variable(records, checkRecords.size),
  variable(POOL_TRACKING_EXPORT, poolTracking.size),
  variable(FORCED_IRQL_EXPORT, forcedIrql.size),
  variable("ExWorkerQueue", listEntry64.size),
  variable("KiTimerListHead", listEntry64.size),
  variable("KiDpcListHead", listEntry64.size),
];

/** The kernel's image: what of Windows' kernel is modelled, with the names that Microsoft's public symbols have. */
export const ntoskrnl: ImageDeclaration = {
  name: "ntoskrnl.exe",
  functions: [...threads, ...memory, ...unloading, ...faults, ...interrupts, ...deferred, ...power, ...system],
  data,
  exportedData: [
    records,
    POOL_TRACKING_EXPORT,
    FORCED_IRQL_EXPORT,
    "PsInitialSystemProcess",
    "KeNumberProcessors",
    "NtBuildLab",
  ],
};

export const hal: ImageDeclaration = {
  name: "hal.dll",
  functions: [
    declare("HalProcessorIdle", {}),
    declare("HalRequestIpi", { saves: ["rbx"] }),
    declare("HalRequestSoftwareInterrupt", {}),
    declare("HalpMceHandler", { saves: ["rbx", "rsi"], locals: 0x60 }, call("HalpMcaReportError")),
    declare("HalpMcaReportError", { saves: ["rbx", "rdi"], locals: 0x100 }, call("nt!WheaReportHwError")),
    declare("HalBugCheckSystem", { saves: ["rbx"], locals: 0x20 }, call("nt!KeBugCheckEx")),
    declare("HalpTimerClockInterrupt", { saves: ["rbx"], locals: 0x20 }, call("nt!KeClockInterruptNotify")),
  ],
};
