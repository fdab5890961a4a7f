export { arrangeFlattened, type FlattenedDump } from "./flattened.ts";
export { openKdump } from "./reader.ts";
