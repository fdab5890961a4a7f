import { z } from "zod";
import { call, declare } from "../image/function.ts";
import { duration } from "../quantities.ts";
import { behaviour } from "./behaviour.ts";

/** PowerDeviceD0 and PowerDeviceD3 of DEVICE_POWER_STATE. */
const WORKING = 1;
const OFF = 4;

/** A driver above another one's device: it has the device sleep and wake by turns, hands the requests down, and waits for their end. */
export const idlePowerDown = behaviour({
  name: "idle-power-down",
  summary: "Sits above the device of another driver, has it power down and up by turns, and waits for that",
  options: z.strictObject({
    device: z.string().meta({ description: "The driver whose device it is, such as lanestor.sys" }),
    every: duration.prefault("5 s").meta({ description: "Time between two requests" }),
  }),
  program: ({ device, every }) => ({
    functions: [
      declare("DispatchPower", { saves: ["rbx"], locals: 0x20 }, call("nt!IofCallDriver")),
      declare(
        "RequestState",
        { saves: ["rbx", "rdi"], locals: 0x30 },
        call("nt!PoRequestPowerIrp"),
        call("nt!KeWaitForSingleObject"),
      ),
      declare(
        "IdleRoutine",
        { saves: ["rbx", "rsi"], locals: 0x30 },
        call("nt!KeDelayExecutionThread"),
        call("nt!IoAttachDeviceToDeviceStack"),
        call("RequestState"),
      ),
    ],
    power: {
      function: "DispatchPower",
      body({ services }, thread, device, request) {
        services.power.callBelow(thread, device, request);
      },
    },
    worker: {
      function: "IdleRoutine",
      *routine({ name, services, random, function: own }, thread) {
        yield* services.keDelayExecutionThread(thread, every);
        services.power.attach(thread, name, device);
        for (let state = OFF; ; state = WORKING + OFF - state) {
          yield* thread.callWaiting(own("RequestState"), [BigInt(state)], () =>
            services.power.request(thread, device, state),
          );
          yield* services.keDelayExecutionThread(thread, every * random.between(0.8, 1.2));
        }
      },
    },
  }),
});
