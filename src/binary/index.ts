export * from "./address.ts";
export * from "./error.ts";
export * from "./layout.ts";
export * from "./memory.ts";
export * from "./portable-executable.ts";
export * from "./random.ts";
export * from "./registers.ts";
