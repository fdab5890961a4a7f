export type { Progress } from "../archive/index.ts";
export { type Collected, type CollectOptions, collect } from "./collect.ts";
