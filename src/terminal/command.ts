import { stripVTControlCharacters } from "node:util";
import { Command } from "@oclif/core/command";
import * as Flags from "@oclif/core/flags";
import type { Facts } from "../analysis/index.ts";
import { StopcodeError, whereText } from "../binary/index.ts";
import { ProgressLine } from "./progress.ts";
import { bold, red } from "./style.ts";

/** Where crashes are kept: `--home`, else `STOPCODE_HOME`, else the platform's data folder. */
export const homeFlag = {
  home: Flags.string({
    env: "STOPCODE_HOME",
    summary: "Folder of the crash archive.",
    description: "The default is the platform's data folder for stopcode.",
    helpValue: "DIR",
  }),
};

/** An error as data, the way `--json` prints it. */
interface ErrorDocument {
  readonly error: {
    readonly code: string;
    readonly message: string;
    readonly where: Readonly<Record<string, unknown>>;
    readonly hint: string | null;
  };
}

const systemErrors: Readonly<Record<string, string>> = {
  ENOSPC: "make room on that disk, or choose another folder with --home",
  EACCES: "check who may write there, or choose another folder with --home",
  EROFS: "that file system is read-only: choose another folder with --home",
  ENOENT: "check the path",
  EMFILE: "too many files are open: raise the limit (ulimit -n)",
};

/** Every command: `--json`, one-line errors with their exit code, progress on stderr. */
export abstract class StopcodeCommand extends Command {
  static override enableJsonFlag = true;

  private progressLine: ProgressLine | undefined;

  /** The one moving line; silent under `--json` and where stderr is no terminal. */
  protected get progress(): ProgressLine {
    this.progressLine ??= new ProgressLine(!this.jsonEnabled());
    return this.progressLine;
  }

  protected homeFolder(flags: { readonly home?: string | undefined }): string {
    return flags.home ?? this.config.dataDir;
  }

  /** Prints a document: as it is under `--json`, through its screen for people. */
  protected answer<T>(document: T, screen: (document: T) => string): T {
    this.progress.clear();
    if (!this.jsonEnabled()) this.log(screen(document));
    return document;
  }

  /** What could be read was printed, but it is not all: one line on stderr says so, and the exit code is 3. */
  protected partlyRead(file: string, dump: Facts["dump"]): void {
    if (!dump || dump.complete) return;
    const [problem] = dump.problems;
    const where = { file, ...(problem?.offset == null ? {} : { offset: problem.offset }) };
    const line = [
      whereText(where),
      problem?.message ?? "the dump is not complete",
      "copy it again; what is there was used",
    ];
    process.stderr.write(`${red(bold("stopcode:"))} ${line.join(" · ")}\n`);
    process.exitCode = 3;
  }

  /** The question was answered, and the answer is bad news: exit code 1. */
  protected badNews(): void {
    process.exitCode = 1;
  }

  override async catch(error: Error): Promise<never> {
    this.progress.clear();
    const known = asStopcodeError(error);
    if (!known) throw error;
    const place = whereText(known.where);
    if (this.jsonEnabled()) {
      const { code, message, where, hint } = known;
      this.logJson({ error: { code, message, where: { ...where }, hint: hint ?? null } } satisfies ErrorDocument);
    } else {
      const [message, ...excerpt] = known.message.split("\n");
      const line = [place, message, known.hint].filter(Boolean).join(" · ");
      process.stderr.write(`${[`${red(bold("stopcode:"))} ${line}`, ...excerpt].join("\n")}\n`);
    }
    return this.exit(known.exitCode);
  }
}

/** Our own errors as they are, the command line's as usage, the system's with what to do; null for a bug of ours. */
function asStopcodeError(error: Error): StopcodeError | null {
  if (error instanceof StopcodeError) return error;
  if ("oclif" in error && "parse" in error) {
    // Where flags exclude each other oclif says so in the second line, in colour, below a heading that says nothing.
    const lines = stripVTControlCharacters(error.message).split("\n");
    const first = lines.find((line) => !line.startsWith("The following error"))?.trim();
    return new StopcodeError("usage/command-line", first ?? error.message, { hint: "see --help" });
  }
  const { code, syscall, path } = error as NodeJS.ErrnoException;
  if (code !== undefined && syscall !== undefined)
    return new StopcodeError(`io/${code.toLowerCase()}`, error.message, {
      where: path === undefined ? {} : { file: path },
      hint: systemErrors[code] ?? "check the disk and the path",
    });
  return null;
}
