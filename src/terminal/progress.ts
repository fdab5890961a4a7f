import { duration, size } from "./style.ts";

/** How far a long piece of work is. */
export interface Progress {
  /** What is being done: `writing memory.dmp`. */
  readonly phase: string;
  readonly bytes: number;
  readonly totalBytes: number;
}

/** How far work is that goes in steps of unequal length. */
export interface Steps {
  /** What is being done: `measuring shadow on 256 MiB`. */
  readonly phase: string;
  readonly done: number;
  readonly total: number;
  readonly secondsLeft: number | null;
}

/**
 * One moving line on stderr: how much, how fast, how long still. Silent where stderr is no terminal.
 * `clear` takes the line away before something else is printed.
 */
export class ProgressLine {
  private readonly shown: boolean;
  private phase = "";
  private startedAt = 0;
  private drawnAt = 0;

  constructor(shown: boolean) {
    this.shown = shown && process.stderr.isTTY === true;
  }

  update({ phase, bytes, totalBytes }: Progress): void {
    if (!this.shown) return;
    const now = performance.now();
    if (phase !== this.phase) {
      this.phase = phase;
      this.startedAt = now;
      this.drawnAt = 0;
    }
    if (now - this.drawnAt < 100) return;
    this.drawnAt = now;
    const seconds = (now - this.startedAt) / 1000;
    const rate = seconds > 0 ? bytes / seconds : 0;
    const left = rate > 0 ? `${duration((totalBytes - bytes) / rate)} left` : "";
    const percent = totalBytes > 0 ? Math.floor((100 * bytes) / totalBytes) : 100;
    process.stderr.write(
      `\r\x1b[K  ${phase}  ${percent} %  ${size(bytes)} of ${size(totalBytes)}  ${size(Math.round(rate))}/s  ${left}`,
    );
  }

  /** Drawn at once: steps are few. */
  step({ phase, done, total, secondsLeft }: Steps): void {
    if (!this.shown) return;
    this.drawnAt = performance.now();
    const left = secondsLeft === null ? "" : `about ${duration(secondsLeft)} left`;
    process.stderr.write(`\r\x1b[K  ${phase}  ${done + 1} of ${total}  ${left}`);
  }

  clear(): void {
    if (this.shown && this.drawnAt > 0) process.stderr.write("\r\x1b[K");
    this.drawnAt = 0;
  }
}
