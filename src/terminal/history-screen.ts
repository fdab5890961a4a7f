import type { HistoryRow, Rebuilt } from "../history/index.ts";
import type { CrashDocument } from "../pipeline/index.ts";
import { findingLines } from "./diagnosis-screen.ts";
import { factsScreen } from "./facts-screen.ts";
import { bold, columns, counted, dim, printable, size, yellow } from "./style.ts";

const HEAD = ["id", "at", "host", "partition", "stop code", "title", "culprit", "verdict", "bucket"];

/** Recorded crashes as a table. */
export function historyScreen(rows: readonly HistoryRow[]): string {
  if (rows.length === 0) return "\n  no crash is recorded that fits\n";
  const cells = rows.map((row) => [
    row.id,
    row.at.replace("T", " ").replace(/\.\d+Z$|Z$/, ""),
    row.host,
    row.partition,
    row.stopCode ?? "",
    printable(row.title ?? "").slice(0, 48),
    row.culprit ?? "",
    row.verdict ?? "",
    row.bucket ?? "",
  ]);
  const [head, ...lines] = columns([HEAD, ...cells]);
  return ["", `  ${dim(head ?? "")}`, ...lines.map((line) => `  ${line}`)].join("\n");
}

/** One recorded crash: what happened, what the rules said, what lies in its folder. */
export function crashScreen(crash: CrashDocument): string {
  const files = crash.manifest.files.map(({ name, bytes, sha256 }) => [name, size(bytes), dim(sha256.slice(0, 16))]);
  const { sealed, skipped } = crash.manifest;
  return [
    "",
    `  ${bold(crash.id)} · ${crash.host} · ${crash.partition}${crash.boot === null ? "" : ` · boot ${crash.boot}`} · ${crash.at}`,
    ...(crash.facts ? [factsScreen(crash.facts)] : []),
    "",
    ...crash.findings.flatMap((finding) => [...findingLines(finding), ""]),
    ...sealed.map(
      ({ partition, pages, recipients }) =>
        `  sealed    ${partition}: ${counted(pages, "page")} for ${recipients.join(", ")}`,
    ),
    ...skipped.map(({ partition, reason }) => `  skipped   ${partition}: ${reason}`),
    `  folder    ${crash.folder}`,
    ...columns(files, [1]).map((line) => `            ${line}`),
  ].join("\n");
}

/** What `history rebuild` did. */
export function rebuildScreen({ rows, dropped, incomplete }: Rebuilt): string {
  return [
    `  ${counted(rows, "crash", "crashes")} recorded again from ${rows === 1 ? "its folder" : "their folders"}`,
    ...dropped.map((id) => yellow(`  ${id} is gone from the history: its folder is gone`)),
    ...incomplete.map(({ id, reason }) => yellow(`  ${id} is incomplete and was left alone: ${reason}`)),
  ].join("\n");
}
