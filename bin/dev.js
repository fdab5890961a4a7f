#!/usr/bin/env node
// Runs the commands straight from TypeScript (Node strips the types); bin/run.js runs the built ones.
import { readFileSync } from "node:fs";
import { enableCompileCache } from "node:module";
import { fileURLToPath } from "node:url";

enableCompileCache();
const root = fileURLToPath(new URL("..", import.meta.url));
const pjson = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
pjson.oclif.commands = "./commands";

const { settings } = await import("@oclif/core/settings");
// oclif would look for a TypeScript compiler API that TypeScript 7 no longer has, and quietly run dist instead.
settings.enableAutoTranspile = false;
const { execute } = await import("@oclif/core/execute");
await execute({ dir: import.meta.url, loadOptions: { root, pjson, ignoreManifest: true } });
