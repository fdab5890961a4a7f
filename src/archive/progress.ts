/** How far a long piece of work is. */
export interface Progress {
  /** What is being done: `writing memory.dmp`. */
  readonly phase: string;
  readonly bytes: number;
  readonly totalBytes: number;
}

export interface ProgressOption {
  readonly onProgress?: ((progress: Progress) => void) | undefined;
}
