import { PAGE_SIZE, type PhysicalMemory, StopcodeError } from "../../../src/binary/index.ts";
import type { Dump, WindowsHeader } from "../../../src/dumpfile/index.ts";

const TABLE_ENTRIES = 512;
const PRESENT_WRITABLE = 3n;

/** Physical memory with page tables, filled by virtual address: what a full dump of a small kernel holds. */
export class LaidOutKernel {
  readonly #pages = new Map<number, Uint8Array>();
  readonly #mapped = new Map<bigint, number>();
  readonly root: number;
  #next = 1;

  readonly #levels: readonly bigint[];

  constructor(levels: 4 | 5 = 4) {
    this.#levels = [48n, 39n, 30n, 21n, 12n].slice(5 - levels);
    this.root = this.#newPage();
  }

  put(address: bigint, content: Uint8Array): void {
    for (let done = 0; done < content.length; ) {
      const at = address + BigInt(done);
      const offset = Number(at & 0xfffn);
      const part = content.subarray(done, done + PAGE_SIZE - offset);
      this.#pages.get(this.#frameOf(at - BigInt(offset)))!.set(part, offset);
      done += part.length;
    }
  }

  putWords(address: bigint, ...words: readonly bigint[]): void {
    const bytes = Buffer.alloc(words.length * 8);
    words.forEach((word, i) => {
      bytes.writeBigUInt64LE(BigInt.asUintN(64, word), i * 8);
    });
    this.put(address, bytes);
  }

  putLayout<V>(
    table: { readonly size: number; write(bytes: Uint8Array, at: number, values: V): void },
    address: bigint,
    values: V,
  ): void {
    const bytes = new Uint8Array(table.size);
    table.write(bytes, 0, values);
    this.put(address, bytes);
  }

  /** A UNICODE_STRING and, right behind it, its text. */
  putUnicodeString(address: bigint, text: string, textAt: bigint): void {
    this.putWords(address, BigInt(text.length * 2) | (BigInt(text.length * 2) << 16n), textAt);
    this.put(textAt, Buffer.from(text, "utf16le"));
  }

  /** Takes a page out of the dump, as a kernel dump leaves out what it does not need. */
  forget(address: bigint): void {
    this.#pages.delete(this.#frameOf(address & ~0xfffn));
  }

  get memory(): PhysicalMemory {
    const pages = this.#pages;
    return {
      read(address, length) {
        const bytes = new Uint8Array(length);
        for (let done = 0; done < length; ) {
          const offset = (address + done) % PAGE_SIZE;
          const page = pages.get(Math.floor((address + done) / PAGE_SIZE));
          if (!page) throw new StopcodeError("memory/absent", "not laid out");
          const part = page.subarray(offset, offset + length - done);
          bytes.set(part, done);
          done += part.length;
        }
        return bytes;
      },
      runs: () => [...pages.keys()].sort((a, b) => a - b).map((firstPage) => ({ firstPage, pageCount: 1 })),
      pageState: (pfn) => (pages.has(pfn) ? "present" : "absent"),
    };
  }

  dump(header: Partial<WindowsHeader>, stopCode: Dump["stopCode"]): Dump {
    const windows: WindowsHeader = {
      ...{ majorVersion: 15, build: 19041, directoryTableBase: BigInt(this.root * PAGE_SIZE), pfnDatabase: 0n },
      ...{
        memoryRuns: null,
        loadedModuleList: 0n,
        activeProcessHead: 0n,
        machineType: 0x8664,
        processors: 1,
        debuggerDataBlock: 0n,
      },
      ...{ dumpType: 1, requiredDumpSpace: null, systemTime: null, systemUpTime: null, comment: null, productType: 1 },
      ...{ contextRecord: new Uint8Array(3000), exceptionRecord: new Uint8Array(0x98), ...header },
    };
    return {
      ...{
        file: "laid out",
        format: "windows-full",
        arch: "x86_64",
        bytes: 0,
        complete: true,
        pages: this.#pages.size,
      },
      ...{
        memory: { kind: "physical", ...this.memory },
        memoryRuns: null,
        cpus: [],
        notes: [],
        stopCode,
        problems: [],
      },
      header: { kind: "windows", windows, triage: null },
      close() {},
    };
  }

  #newPage(): number {
    const pfn = this.#next++;
    this.#pages.set(pfn, new Uint8Array(PAGE_SIZE));
    return pfn;
  }

  /** The frame behind a virtual page; mapped, with all its tables, when it is first touched. */
  #frameOf(page: bigint): number {
    const known = this.#mapped.get(page);
    if (known !== undefined) return known;
    let table = this.root;
    for (const shift of this.#levels) {
      const index = Number((page >> shift) % BigInt(TABLE_ENTRIES));
      const view = Buffer.from(this.#pages.get(table)!.buffer);
      const entry = view.readBigUInt64LE(index * 8);
      if (entry === 0n) {
        table = this.#newPage();
        view.writeBigUInt64LE((BigInt(table) << 12n) | PRESENT_WRITABLE, index * 8);
      } else table = Number((entry >> 12n) & 0xff_ffff_ffffn);
    }
    this.#mapped.set(page, table);
    return table;
  }
}
