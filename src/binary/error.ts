/** Where an error was found: a place in a file by byte offset, or in a text by line and column (both from 1). */
export interface Where {
  readonly file?: string;
  readonly offset?: number;
  readonly line?: number;
  readonly column?: number;
  /** An address in the dumped machine, as `0x…`, when the trouble lies there and not in the file. */
  readonly address?: string;
}

/**
 * The one error of the house: what is wrong, where, and what to do about it.
 *
 * The first part of `code` names the room or the kind of trouble (`dump/truncated`, `scenario/unknown-key`,
 * `io/disk-full`) and decides the exit code: `usage/…` 2, `io/…` and `host/…` 4, all others 3.
 */
export class StopcodeError extends Error {
  override readonly name = "StopcodeError";
  readonly code: string;
  readonly where: Where;
  readonly hint: string | undefined;

  constructor(code: string, message: string, detail: { where?: Where; hint?: string; cause?: unknown } = {}) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause });
    this.code = code;
    this.where = detail.where ?? {};
    this.hint = detail.hint;
  }

  get exitCode(): 2 | 3 | 4 {
    if (this.code.startsWith("usage/")) return 2;
    return this.code.startsWith("io/") || this.code.startsWith("host/") ? 4 : 3;
  }
}

/** `file:line:column`, `file at byte N`, or whatever of it is known; empty when nothing is. */
export function whereText(where: Where): string {
  const place =
    where.line === undefined
      ? where.offset === undefined
        ? ""
        : `at byte ${where.offset} (0x${where.offset.toString(16)})`
      : `:${where.line}${where.column === undefined ? "" : `:${where.column}`}`;
  const file = where.file ?? "";
  const joined = file && place.startsWith("at") ? `${file} ${place}` : `${file}${place}`;
  return where.address ? `${joined}${joined ? " " : ""}at address ${where.address}` : joined;
}
