import { address, bytes, layout, u8, u16, u32, u64 } from "../../binary/index.ts";

/*
 * What the I/O manager of a 64-bit kernel keeps of drivers, devices and requests, the fields that a crash is read by. IRP,
 * IO_STACK_LOCATION, DEVICE_OBJECT and DRIVER_OBJECT are declared in Microsoft's public wdm.h and the same in every 64-bit build;
 * POP_IRP_DATA and TRIAGE_9F_POWER are those of Microsoft's public symbols of build 19041.
 */

/** What the structures say they are (IO_TYPE_…). */
export const IO_TYPE = { device: 3, driver: 4, irp: 6 } as const;

/** IRP_MJ_POWER, and the requests of that kind (IRP_MN_…). */
export const POWER_FUNCTION = 0x16;
export const POWER_REQUESTS = ["IRP_MN_WAIT_WAKE", "IRP_MN_POWER_SEQUENCE", "IRP_MN_SET_POWER", "IRP_MN_QUERY_POWER"];

/** IRP: a request. Its stack locations follow, the lowest device's first. */
// biome-ignore format: a table
export const irp = layout("IRP", 0xd0, {
  type:            u16(0x00),
  size:            u16(0x02, "bytes, with its stack locations"),
  mdlAddress:      address(0x08),
  flags:           u32(0x10),
  threadListEntry: bytes(0x20, 0x10, "LIST_ENTRY64"),
  status:          u32(0x30, "IoStatus.Status: NTSTATUS"),
  information:     u64(0x38, "IoStatus.Information"),
  requestorMode:   u8(0x40, "0 kernel"),
  pendingReturned: u8(0x41),
  stackCount:      u8(0x42, "stack locations"),
  currentLocation: u8(0x43, "whose turn it is, counted from 1 at the lowest; stackCount + 1: nobody's"),
  cancel:          u8(0x44),
  cancelRoutine:   address(0x68),
  thread:          address(0x98, "Tail.Overlay.Thread: ETHREAD"),
  currentStackLocation: address(0xb8, "Tail.Overlay.CurrentStackLocation"),
});

/** IO_STACK_LOCATION: a request as one driver gets it. */
// biome-ignore format: a table
export const ioStackLocation = layout("IO_STACK_LOCATION", 0x48, {
  majorFunction:     u8(0x00, "IRP_MJ_…"),
  minorFunction:     u8(0x01, "IRP_MN_…"),
  flags:             u8(0x02),
  control:           u8(0x03, "SL_…"),
  powerStateType:    u32(0x10, "Parameters.Power.Type: 0 of the system, 1 of the device"),
  powerState:        u32(0x18, "Parameters.Power.State: 1 is S0 or D0"),
  deviceObject:      address(0x28),
  fileObject:        address(0x30),
  completionRoutine: address(0x38),
  context:           address(0x40),
});

/** SL_PENDING_RETURNED: the driver has kept the request to complete it later. */
export const PENDING_RETURNED = 1;

/** DEVICE_OBJECT: a device as one of its drivers has it. */
// biome-ignore format: a table
export const deviceObject = layout("DEVICE_OBJECT", 0x150, {
  type:            u16(0x000),
  size:            u16(0x002, "bytes"),
  referenceCount:  u32(0x004),
  driverObject:    address(0x008),
  nextDevice:      address(0x010, "the driver's other devices"),
  attachedDevice:  address(0x018, "the next higher in the device's stack"),
  currentIrp:      address(0x020),
  flags:           u32(0x030, "DO_…"),
  characteristics: u32(0x034),
  deviceExtension: address(0x040),
  deviceType:      u32(0x048),
  stackSize:       u8(0x04c, "stack locations that a request to it needs"),
  deviceObjectExtension: address(0x138),
});

/** DRIVER_OBJECT: a driver as the I/O manager knows it. */
// biome-ignore format: a table
export const driverObject = layout("DRIVER_OBJECT", 0x150, {
  type:          u16(0x000),
  size:          u16(0x002, "bytes"),
  deviceObject:  address(0x008, "the last device it made"),
  flags:         u32(0x010),
  driverStart:   address(0x018, "of its image"),
  driverSize:    u32(0x020, "bytes"),
  driverSection: address(0x028, "KLDR_DATA_TABLE_ENTRY"),
  driverName:    bytes(0x038, 0x10, "UNICODE_STRING64: \\Driver\\…"),
  driverInit:    address(0x058),
  majorFunction: bytes(0x070, 28 * 8, "addresses of its dispatch routines, by IRP_MJ_…"),
});

/** POP_IRP_DATA: a power request as the power manager keeps it, in the list at PopIrpList. */
// biome-ignore format: a table
export const popIrpData = layout("POP_IRP_DATA", 0x100, {
  link:            bytes(0x00, 0x10, "LIST_ENTRY64"),
  irp:             address(0x10),
  pdo:             address(0x18, "the lowest DEVICE_OBJECT of the stack"),
  targetDevice:    address(0x20, "the highest"),
  currentDevice:   address(0x28, "whose turn it is"),
  watchdogStart:   u64(0x30, "interrupt time, 100 ns"),
  minorFunction:   u8(0xb8),
  powerStateType:  u32(0xbc),
  powerState:      u32(0xc0),
  watchdogEnabled: u8(0xc4),
  irpSequenceId:   u32(0xd4),
});

/** TRIAGE_9F_POWER: what stop code 0x9F hands out for a power request that is blocked. */
// biome-ignore format: a table
export const triage9fPower = layout("TRIAGE_9F_POWER", 0x28, {
  signature:          u16(0x00, "0x8000"),
  revision:           u16(0x02, "1"),
  irpList:            address(0x08, "PopIrpList"),
  threadList:         address(0x10, "PopIrpThreadList"),
  delayedWorkQueue:   address(0x18),
  delayedIoWorkQueue: address(0x20),
});
