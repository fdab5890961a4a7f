export { type CrashFolder, createCrashFolder, type ManifestFields } from "./crash-folder.ts";
export { isCrashId, newCrashId } from "./crash-id.ts";
export { type DumpInfo, dumpInfo } from "./info.ts";
export { MANIFEST, type Manifest, manifest } from "./manifest.ts";
export { type Crash, type IncompleteCrash, listCrashes, openCrash } from "./open.ts";
export type { VerifyProblem } from "./problem.ts";
export type { Progress } from "./progress.ts";
export { type Unsealed, type UnsealOptions, unsealCrash } from "./unseal.ts";
export { type Verified, verify, verifyCrash } from "./verify.ts";
