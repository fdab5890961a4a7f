/** Something that is not as it was written. */
export interface VerifyProblem {
  /**
   * `incomplete`, `manifest`, `renamed`, `missing-file`, `extra-file`, `size`, `sha256`, `dump-unreadable`, `dump-truncated`,
   * `dump-pages`, `page-unreadable`, `sealed-unreadable`, `sealed-recipients`, `sealed-size`, or a code of the dump's own reader.
   */
  readonly code: string;
  readonly message: string;
  /** Name inside the crash folder, or the path of a dump that was checked alone. */
  readonly file: string | null;
  /** Byte offset in the file. */
  readonly offset: number | null;
}
