import { parentPort } from "node:worker_threads";
import { outcomeOf, type Task } from "./runs.ts";

parentPort!.on("message", async (task: Task) => parentPort!.postMessage(await outcomeOf(task)));
