import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { delimiter } from "node:path";
import { afterAll, expect, it } from "vitest";
import { temporaryFolder } from "./stopcode.ts";

const root = new URL("..", import.meta.url).pathname;
const folder = temporaryFolder();
afterAll(() => folder.remove());

interface Step {
  readonly command: string;
  /** What the page shows of it; `…` stands for anything, in a line of its own for any lines. */
  readonly shown: readonly string[];
}

/** A section's blocks in their order: commands as they stand, and files, whose first line is a comment with their name. */
function stepsOf(section: string): Step[] {
  const page = readFileSync(`${root}/README.md`, "utf8");
  const text = page.slice(page.indexOf(`## ${section}\n`)).split(/\n## (?!#)/)[0]!;
  return [...text.matchAll(/^```(console|yaml)\n(.*?)^```/gms)].flatMap(([, kind, block]) => {
    if (kind === "console") return block!.split(/^\$ /m).slice(1).map(consoleStep);
    const name = /^# (\S+)\n/.exec(block!)?.[1];
    return [{ command: `cat > ${name} <<'END OF FILE'\n${block}END OF FILE`, shown: [] }];
  });
}

function consoleStep(text: string): Step {
  const [command, ...shown] = text.trimEnd().split("\n");
  return { command: command!, shown };
}

/** Runs commands one after the other in one shell, and gives what each printed and how it ended. */
function outputs(commands: readonly string[]): { readonly printed: string; readonly status: string }[] {
  const bin = folder.in("bin");
  mkdirSync(bin);
  writeFileSync(`${bin}/stopcode`, `#!/bin/sh\nexec '${process.execPath}' '${root}/bin/dev.js' "$@"\n`, {
    mode: 0o755,
  });
  mkdirSync(folder.in("work"));
  symlinkSync(`${root}/fixtures`, folder.in("work/fixtures"));
  const mark = "=== end of a command, with status ";
  const script = commands.map((command) => `${command}\nprintf '%s%s\\n' '${mark}' $?\n`).join("");
  const { stdout } = spawnSync("sh", ["-c", `exec 2>&1\n${script}`], {
    encoding: "utf8",
    cwd: folder.in("work"),
    env: { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}`, NO_COLOR: "1", NODE_ENV: "production" },
    timeout: 100_000,
  });
  return [...stdout.matchAll(new RegExp(`(.*?)${mark}(\\d+)\\n`, "gs"))].map(([, printed, status]) => ({
    printed: printed!,
    status: status!,
  }));
}

const literal = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

const pattern = (shown: readonly string[]): RegExp =>
  new RegExp(
    `^${shown.map((line) => (line === "…" ? "(?:.*\\n)*?" : `${line.split("…").map(literal).join(".*")}\\n`)).join("")}\\s*$`,
  );

it("README: your first rule, walked through in a fresh folder, is as it is shown", () => {
  const steps = stepsOf("Your first rule in ten minutes");
  expect(steps.length).toBeGreaterThan(10);
  const walked = outputs(steps.map(({ command }) => command));
  for (const [index, { command, shown }] of steps.entries()) {
    const { printed, status } = walked[index]!;
    expect(printed, command).toMatch(pattern(shown));
    expect([command, status]).toEqual([command, "0"]);
  }
  expect(walked).toHaveLength(steps.length);
});
