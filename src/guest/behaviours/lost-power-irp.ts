import { z } from "zod";
import { call, declare } from "../image/function.ts";
import { behaviour } from "./behaviour.ts";

/** A driver that stops its adapter when it is asked to power down, and once waits in vain for the adapter to say that it has. */
export const lostPowerIrp = behaviour({
  name: "lost-power-irp",
  summary: "Keeps a power request until its adapter has stopped, which one day never happens",
  options: z.strictObject({
    completes: z.int().min(0).default(2).meta({ description: "Power requests that go well before that" }),
  }),
  program({ completes }) {
    let left = completes;
    return {
      functions: [
        declare("SwitchAdapter", { saves: ["rbx"], locals: 0x20 }),
        declare(
          "DispatchPower",
          { saves: ["rbx", "rsi"], locals: 0x30 },
          call("SwitchAdapter"),
          call("nt!IofCallDriver"),
        ),
        declare(
          "WorkerRoutine",
          { saves: ["rbx"], locals: 0x20 },
          call("nt!IoAttachDeviceToDeviceStack"),
          call("nt!KeWaitForSingleObject"),
        ),
      ],
      power: {
        function: "DispatchPower",
        body({ services: { power, harm }, function: own }, thread, device, request) {
          thread.call(own("SwitchAdapter"), [request], () => {});
          if (left-- > 0) power.callBelow(thread, device, request);
          else {
            harm.begins();
            power.markPending(request);
          }
        },
      },
      worker: {
        function: "WorkerRoutine",
        *routine({ name, services }, thread) {
          services.power.attachToBus(thread, name);
          services.enterWait(thread);
          yield { kind: "block" };
        },
      },
    };
  },
});
