#!/usr/bin/env node
// Runs the built commands (`npm ci` and `npm pack` build them); bin/dev.js runs them straight from TypeScript.
import module from "node:module";

const [major, minor] = process.versions.node.split(".").map(Number);
if (major < 22 || (major === 22 && minor < 18)) {
  console.error(
    `stopcode: this is Node ${process.versions.node} · Node 22.18 or later is needed · in a checkout, \`npm run stopcode -- …\` uses the Node it brings`,
  );
  process.exit(2);
}
module.enableCompileCache();
const { execute } = await import("@oclif/core/execute");
await execute({ dir: import.meta.url });
