import type { PageFileDevice, ReadAhead, Transferred } from "../../src/guest/index.ts";

/** A page file whose transfers complete when the test says so. */
export class HeldPageFile implements PageFileDevice {
  readonly pages: number;
  readonly contents = new Map<number, Uint8Array>();
  readonly held: (() => void)[] = [];
  readonly written: number[] = [];
  /** Pages that are read ahead, and then wanted. */
  readonly raised: number[] = [];
  /** Pages that cannot be read or written. */
  readonly bad = new Map<number, number>();

  constructor(pages: number) {
    this.pages = pages;
  }

  read(page: number, done: Transferred): void {
    this.held.push(() => done(this.bad.get(page) ?? 0, this.contents.get(page)!));
  }

  readAhead(page: number, done: Transferred): ReadAhead {
    this.read(page, done);
    return { wanted: () => this.raised.push(page) };
  }

  write(page: number, bytes: Uint8Array, done: Transferred): void {
    this.held.push(() => {
      const status = this.bad.get(page) ?? 0;
      if (status === 0) this.contents.set(page, bytes);
      this.written.push(page);
      done(status, bytes);
    });
  }

  writePolled(): never {
    throw new Error("nothing here stops");
  }

  complete(count = this.held.length): void {
    for (const one of this.held.splice(0, count)) one();
  }
}
