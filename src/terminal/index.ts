export { pagingBenchScreen } from "./bench-screen.ts";
export { homeFlag, StopcodeCommand } from "./command.ts";
export { diagnosisScreen, findingLines } from "./diagnosis-screen.ts";
export { convertScreen, dumpInfoScreen, unsealScreen, verifyScreen } from "./dump-screen.ts";
export { factsScreen } from "./facts-screen.ts";
export { crashScreen, historyScreen, rebuildScreen } from "./history-screen.ts";
export { explainScreen, lintScreen, packsScreen, packTestsScreen } from "./rules-screen.ts";
export { RunTimeline, scenarioScreen } from "./run-screen.ts";
export { storageBenchScreen } from "./storage-bench-screen.ts";
