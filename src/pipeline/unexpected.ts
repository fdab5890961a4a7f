import { hex } from "../binary/index.ts";
import type { Scenario } from "../host/index.ts";
import type { BootReport, RunReport } from "./run.ts";

/** Stops that came otherwise than a scenario expects them, boot by boot; where it comes to no verdict, more of them too. */
export function unexpectedStops(
  { expect, verdict }: Pick<Scenario, "expect" | "verdict">,
  boots: readonly BootReport[],
): string[] {
  const more = verdict === "none" ? boots.slice(expect.length).flatMap(({ crash }) => crash ?? []) : [];
  const otherwise = expect.flatMap(({ partition, stopCode, culprit }, index) => {
    const report = boots[index];
    const codes = [stopCode].flat().map((code) => hex(code));
    const named = report?.findings[0]?.culprit.name ?? "nobody";
    const suffix = (name: string) => (culprit === undefined ? "" : ` by ${name}`);
    const wanted = `${partition} ${codes.join(" or ")}${suffix(culprit ?? "")}`;
    const { crash } = report ?? {};
    const came = crash ? `${crash.partition} ${crash.stopCode}${suffix(named)}` : "no crash";
    const isExpected = crash?.partition === partition && codes.includes(crash.stopCode) && (culprit ?? named) === named;
    return isExpected ? [] : [`stop ${index + 1}: ${wanted} was expected, ${came} came`];
  });
  return [
    ...otherwise,
    ...more.map((crash) => `no more stops were expected, ${crash.partition} ${crash.stopCode} came`),
  ];
}

/** How a verdict differs from the one that a scenario must end in. */
export function unexpectedVerdict(expected: Scenario["verdict"], verdict: RunReport["verdict"]): string[] {
  if (expected === undefined) return [];
  if (expected === "none") return verdict.kind === null ? [] : [`verdict: none was expected, ${verdict.culprit} came`];
  return (["kind", "culprit", "confidence", "bystander"] as const).flatMap((key) => {
    const wanted = expected[key];
    const came = verdict[key];
    if (wanted === undefined || (came !== null && [wanted].flat().includes(came))) return [];
    return [`verdict: ${key} ${[wanted].flat().join(" or ")} was expected, ${came ?? "none"} came`];
  });
}
