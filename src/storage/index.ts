export * from "./device.ts";
export * from "./request.ts";
export * from "./scheduler.ts";
