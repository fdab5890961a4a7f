/** A frame as the kernel prints it: `name+0xoffset/0xsize [module]`. */
export interface PrintedFrame {
  readonly function: string;
  readonly offset: number;
  /** Bytes of the function. */
  readonly size: number;
  readonly module: string | null;
  /** Without the question mark that marks a word found on the stack that the unwinder did not pass. */
  readonly reliable: boolean;
}

const FRAME = /^(?:\[<[0-9a-f]*>\] )?(\? )?([\w.$]+)\+0x([0-9a-f]{1,8})\/0x([0-9a-f]{1,8})(?: \[([\w-]+)[^\]]*\])?$/;
const START = /^Call Trace:?$/;
/** Stack changes, addresses without a symbol, and the registers of an exception frame within the trace. */
const PASSED_OVER =
  /^(?:(?:\? )?0x[0-9a-f]{1,16}|<\/?[\w#]+>|Code: .*|RIP: .*|(?:RSP|RAX|RDX|RBP|R1[03]|R08|FS|CS|CR2|DR\d): .*|ORIG_RAX: .*|PKRU: .*|)$/;
const KERNEL_RIP = /^RIP: 0010:(.*)$/;

export function parseFrame(text: string): PrintedFrame | null {
  const found = FRAME.exec(text.trim());
  if (!found) return null;
  const [, unsure, name, offset, size, module] = found;
  return {
    function: name!,
    offset: Number.parseInt(offset!, 16),
    size: Number.parseInt(size!, 16),
    module: module ?? null,
    reliable: unsure === undefined,
  };
}

/** The instruction pointer of a "RIP:" line in kernel mode: a frame, or a bare address where no symbol covers it. Else null. */
export function parseKernelRip(line: string): { frame: PrintedFrame | null; address: bigint | null } | null {
  const found = KERNEL_RIP.exec(line.trim());
  if (!found) return null;
  const bare = /^(?:\[<)?(?:0x)?([0-9a-f]{1,16})(?:>\])?$/.exec(found[1]!);
  const frame = parseFrame(found[1]!);
  return frame || bare ? { frame, address: bare && !frame ? BigInt(`0x${bare[1]}`) : null } : null;
}

/** The frames of the first call trace in these lines; an exception within it contributes the instruction it interrupted. */
export function parseCallTrace(lines: readonly string[]): PrintedFrame[] {
  const start = lines.findIndex((line) => START.test(line.trim()));
  const frames: PrintedFrame[] = [];
  if (start < 0) return frames;
  for (const line of lines.slice(start + 1)) {
    const text = line.trim();
    if (text === "</TASK>") break;
    const frame = parseFrame(text) ?? parseKernelRip(text)?.frame;
    if (frame) frames.push(frame);
    else if (!PASSED_OVER.test(text)) break;
  }
  return frames;
}

/** Registers as the kernel prints them in an oops, by the names they have here. */
const NAMES: Readonly<Record<string, string>> = { EFLAGS: "rflags", FS: "fsBase", GS: "gsBase", knlGS: "kernelGsBase" };
const REGISTER = /\b(EFLAGS|R[A-D]X|R[SD]I|RBP|R\d\d|CR[0234]|FS|GS|knlGS):\s*([0-9a-f]{8,16})\b/g;
const STACK_POINTER = /^RSP: ([0-9a-f]{4}):([0-9a-f]{16})/;

/** Registers of the first dump of them in these lines, which begin at the "RIP:" line; they end where the code or trace begins. */
export function parseRegisters(lines: readonly string[]): Map<string, bigint> {
  const registers = new Map<string, bigint>();
  for (const line of lines) {
    const text = line.trim();
    if (START.test(text) || (registers.size > 0 && /^(?:RIP|Modules linked in|---)/.test(text))) break;
    const stack = STACK_POINTER.exec(text);
    if (stack) {
      registers.set("ss", BigInt(`0x${stack[1]}`));
      registers.set("rsp", BigInt(`0x${stack[2]}`));
    }
    for (const [, name, value] of text.matchAll(REGISTER))
      registers.set(NAMES[name!] ?? name!.toLowerCase().replace(/^r0/, "r"), BigInt(`0x${value}`));
  }
  return registers;
}
