/** A part of the disk's buffer: sectors that follow one another, and those that are still being read into it. */
export class Segment {
  /** Sectors `first` to before `end` are held. */
  first = 0;
  end = 0;
  /** For the choice of the one to give up. */
  used = 0;
  /** Holds what was written. */
  isWrite = false;

  holds(sector: number): boolean {
    return sector >= this.first && sector < this.end;
  }

  /** Keeps the last `size` sectors before `end`. */
  trim(size: number): void {
    if (this.end - this.first > size) this.first = this.end - size;
  }
}
