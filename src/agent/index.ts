export type { Progress } from "../archive/index.ts";
export { type Collected, type CollectOptions, collect } from "./collect.ts";
export { collectMachine } from "./collect-machine.ts";
