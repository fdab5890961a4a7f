import type { Diagnosis, Finding } from "../rules/index.ts";
import { block } from "./facts-screen.ts";
import { bold, counted, dim, green, printable, red, wrap, yellow } from "./style.ts";

const WIDTH = 100;

const verdictColour: Readonly<Record<Finding["verdict"], (text: string) => string>> = {
  identified: red,
  probable: yellow,
  suspect: yellow,
  excluded: dim,
};

/** `log:812 at 3.25 s: `, before a line that was found in the log. */
function logPlace({ log }: Finding["evidence"][number]): string {
  if (!log) return "";
  return `${log.file ?? "log"}:${log.line}${log.seconds === null ? "" : ` at ${log.seconds} s`}: `;
}

/** A finding's lines: verdict and title, evidence, advice, what is armed. */
export function findingLines(finding: Finding): string[] {
  const colour = verdictColour[finding.verdict];
  const text = (line: string) =>
    wrap(printable(line), WIDTH, " ".repeat(12))
      .split("\n")
      .map((part) => part.trimStart());
  return [
    ...block(
      "verdict",
      text(`${finding.verdict}: ${finding.title}`).map((line, index) =>
        index === 0 ? line.replace(finding.verdict, colour(bold(finding.verdict))) : line,
      ),
    ),
    ...finding.evidence.flatMap((evidence) => block("", text(`${logPlace(evidence)}${evidence.text}`))),
    ...(finding.bystander ? block("bystander", [`${finding.bystander.name} only stumbled over it`]) : []),
    ...block("advice", text(finding.advice)),
    ...finding.arm.flatMap((arm) =>
      block("arm", text(`${arm.check}${arm.target ? ` for ${arm.target}` : ""}${arm.how ? `: ${arm.how}` : ""}`)),
    ),
    ...block("rule", [dim(`${finding.pack}/${finding.rule}`)]),
  ];
}

/** What the rules say of one crash. */
export function diagnosisScreen({ findings, skipped }: Diagnosis): string {
  const lines = [""];
  if (findings.length === 0) lines.push(green("  no rule has anything to say about this crash"));
  for (const finding of findings) lines.push(...findingLines(finding), "");
  if (skipped.length > 0)
    lines.push(
      dim(`  ${counted(skipped.length, "rule")} could not be asked: the facts they need are missing (see --json)`),
    );
  return lines.join("\n").trimEnd();
}
