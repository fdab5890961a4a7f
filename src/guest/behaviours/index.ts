import { z } from "zod";
import type { DriverFile } from "../drivers/driver.ts";
import { corruptList } from "./corrupt-list.ts";
import { directIo } from "./direct-io.ts";
import { dmaAfterFree } from "./dma-after-free.ts";
import { doubleFree } from "./double-free.ts";
import { endlessDpc } from "./endless-dpc.ts";
import { idlePowerDown } from "./idle-power-down.ts";
import { leakSystemPtes } from "./leak-system-ptes.ts";
import { lostPowerIrp } from "./lost-power-irp.ts";
import { mapAndUnmap } from "./map-and-unmap.ts";
import { misuseMappings } from "./misuse-mappings.ts";
import { nullDereference } from "./null-dereference.ts";
import { pageableAtDispatch } from "./pageable-at-dispatch.ts";
import { pageableTable } from "./pageable-table.ts";
import { pendingAtUnload } from "./pending-at-unload.ts";
import { poolChurn } from "./pool-churn.ts";
import { poolLeak } from "./pool-leak.ts";
import { poolOverrun } from "./pool-overrun.ts";
import { poolUnderrun } from "./pool-underrun.ts";
import { receiveRing } from "./receive-ring.ts";
import { stackOverflow } from "./stack-overflow.ts";
import { unloadLeak } from "./unload-leak.ts";
import { useAfterFree } from "./use-after-free.ts";
import { wildPointer } from "./wild-pointer.ts";
import { writeToReadOnly } from "./write-to-read-only.ts";
import { wrongTagFree } from "./wrong-tag-free.ts";

const name = z
  .string()
  .regex(/^[A-Za-z0-9_-]{1,24}\.sys$/, { error: "expected a driver's file name, such as leakdrv.sys" })
  .meta({ description: "File name of the driver, ending in .sys" });

/** A driver in a scenario: its name, how it behaves, and that behaviour's options. */
export const driver = z.discriminatedUnion("behaviour", [
  z.strictObject({
    name,
    behaviour: z.literal(doubleFree.name).meta({ description: doubleFree.summary }),
    options: doubleFree.options.prefault({}),
  }),
  z.strictObject({
    name,
    behaviour: z.literal(directIo.name).meta({ description: directIo.summary }),
    options: directIo.options.prefault({}),
  }),
  z.strictObject({
    name,
    behaviour: z.literal(endlessDpc.name).meta({ description: endlessDpc.summary }),
    options: endlessDpc.options.prefault({}),
  }),
  z.strictObject({
    name,
    behaviour: z.literal(idlePowerDown.name).meta({ description: idlePowerDown.summary }),
    options: idlePowerDown.options,
  }),
  z.strictObject({
    name,
    behaviour: z.literal(lostPowerIrp.name).meta({ description: lostPowerIrp.summary }),
    options: lostPowerIrp.options.prefault({}),
  }),
  z.strictObject({
    name,
    behaviour: z.literal(leakSystemPtes.name).meta({ description: leakSystemPtes.summary }),
    options: leakSystemPtes.options.prefault({}),
  }),
  z.strictObject({
    name,
    behaviour: z.literal(nullDereference.name).meta({ description: nullDereference.summary }),
    options: nullDereference.options.prefault({}),
  }),
  z.strictObject({
    name,
    behaviour: z.literal(misuseMappings.name).meta({ description: misuseMappings.summary }),
    options: misuseMappings.options.prefault({}),
  }),
  z.strictObject({
    name,
    behaviour: z.literal(mapAndUnmap.name).meta({ description: mapAndUnmap.summary }),
    options: mapAndUnmap.options.prefault({}),
  }),
  z.strictObject({
    name,
    behaviour: z.literal(pageableAtDispatch.name).meta({ description: pageableAtDispatch.summary }),
    options: pageableAtDispatch.options.prefault({}),
  }),
  z.strictObject({
    name,
    behaviour: z.literal(pageableTable.name).meta({ description: pageableTable.summary }),
    options: pageableTable.options.prefault({}),
  }),
  z.strictObject({
    name,
    behaviour: z.literal(pendingAtUnload.name).meta({ description: pendingAtUnload.summary }),
    options: pendingAtUnload.options.prefault({}),
  }),
  z.strictObject({
    name,
    behaviour: z.literal(poolChurn.name).meta({ description: poolChurn.summary }),
    options: poolChurn.options.prefault({}),
  }),
  z.strictObject({
    name,
    behaviour: z.literal(poolLeak.name).meta({ description: poolLeak.summary }),
    options: poolLeak.options.prefault({}),
  }),
  z.strictObject({
    name,
    behaviour: z.literal(poolOverrun.name).meta({ description: poolOverrun.summary }),
    options: poolOverrun.options.prefault({}),
  }),
  z.strictObject({
    name,
    behaviour: z.literal(receiveRing.name).meta({ description: receiveRing.summary }),
    options: receiveRing.options.prefault({}),
  }),
  z.strictObject({
    name,
    behaviour: z.literal(poolUnderrun.name).meta({ description: poolUnderrun.summary }),
    options: poolUnderrun.options.prefault({}),
  }),
  z.strictObject({
    name,
    behaviour: z.literal(unloadLeak.name).meta({ description: unloadLeak.summary }),
    options: unloadLeak.options.prefault({}),
  }),
  z.strictObject({
    name,
    behaviour: z.literal(useAfterFree.name).meta({ description: useAfterFree.summary }),
    options: useAfterFree.options.prefault({}),
  }),
  z.strictObject({
    name,
    behaviour: z.literal(wrongTagFree.name).meta({ description: wrongTagFree.summary }),
    options: wrongTagFree.options.prefault({}),
  }),
  z.strictObject({
    name,
    behaviour: z.literal(corruptList.name).meta({ description: corruptList.summary }),
    options: corruptList.options.prefault({}),
  }),
  z.strictObject({
    name,
    behaviour: z.literal(dmaAfterFree.name).meta({ description: dmaAfterFree.summary }),
    options: dmaAfterFree.options.prefault({}),
  }),
  z.strictObject({
    name,
    behaviour: z.literal(stackOverflow.name).meta({ description: stackOverflow.summary }),
    options: stackOverflow.options.prefault({}),
  }),
  z.strictObject({
    name,
    behaviour: z.literal(wildPointer.name).meta({ description: wildPointer.summary }),
    options: wildPointer.options.prefault({}),
  }),
  z.strictObject({
    name,
    behaviour: z.literal(writeToReadOnly.name).meta({ description: writeToReadOnly.summary }),
    options: writeToReadOnly.options.prefault({}),
  }),
]);

export type DriverChoice = z.output<typeof driver>;

/** The driver that a scenario's entry asks for. */
export function driverFile(choice: DriverChoice): DriverFile {
  switch (choice.behaviour) {
    case "double-free":
      return { name: choice.name, program: doubleFree.program(choice.options) };
    case "direct-io":
      return { name: choice.name, program: directIo.program(choice.options) };
    case "endless-dpc":
      return { name: choice.name, program: endlessDpc.program(choice.options) };
    case "idle-power-down":
      return { name: choice.name, program: idlePowerDown.program(choice.options) };
    case "lost-power-irp":
      return { name: choice.name, program: lostPowerIrp.program(choice.options) };
    case "leak-system-ptes":
      return { name: choice.name, program: leakSystemPtes.program(choice.options) };
    case "null-dereference":
      return { name: choice.name, program: nullDereference.program(choice.options) };
    case "misuse-mappings":
      return { name: choice.name, program: misuseMappings.program(choice.options) };
    case "map-and-unmap":
      return { name: choice.name, program: mapAndUnmap.program(choice.options) };
    case "pageable-at-dispatch":
      return { name: choice.name, program: pageableAtDispatch.program(choice.options) };
    case "pageable-table":
      return { name: choice.name, program: pageableTable.program(choice.options) };
    case "pending-at-unload":
      return { name: choice.name, program: pendingAtUnload.program(choice.options) };
    case "pool-churn":
      return { name: choice.name, program: poolChurn.program(choice.options) };
    case "pool-leak":
      return { name: choice.name, program: poolLeak.program(choice.options) };
    case "pool-overrun":
      return { name: choice.name, program: poolOverrun.program(choice.options) };
    case "receive-ring":
      return { name: choice.name, program: receiveRing.program(choice.options) };
    case "pool-underrun":
      return { name: choice.name, program: poolUnderrun.program(choice.options) };
    case "unload-leak":
      return { name: choice.name, program: unloadLeak.program(choice.options) };
    case "use-after-free":
      return { name: choice.name, program: useAfterFree.program(choice.options) };
    case "wrong-tag-free":
      return { name: choice.name, program: wrongTagFree.program(choice.options) };
    case "corrupt-list":
      return { name: choice.name, program: corruptList.program(choice.options) };
    case "dma-after-free":
      return { name: choice.name, program: dmaAfterFree.program(choice.options) };
    case "stack-overflow":
      return { name: choice.name, program: stackOverflow.program(choice.options) };
    case "wild-pointer":
      return { name: choice.name, program: wildPointer.program(choice.options) };
    case "write-to-read-only":
      return { name: choice.name, program: writeToReadOnly.program(choice.options) };
  }
}
