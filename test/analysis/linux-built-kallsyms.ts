import { VmcoreInfo } from "../../src/analysis/linux/vmcoreinfo.ts";
import { BuiltMemory, IMAGE } from "./linux-built-kernel.ts";

export interface BuiltSymbol {
  readonly name: string;
  /** Bytes above the base; negative: a plain value, as per-CPU variables have. */
  readonly at: number;
}

/** Behind the tables there is memory left for what symbols name. */
export const BASE = IMAGE + 0xd000n;
export const AT = { names: 0x1000n, offsets: 0x8000n, table: 0xa000n, index: 0xb000n, count: 0xc000n, base: 0xc008n };
/** A token that stands for several letters, so that expansion is more than copying. */
const LONG_TOKEN = "Tdo_";
const LONG_TOKEN_NUMBER = 200;

/** Writes symbol tables as scripts/kallsyms does: one token a letter, and one that is longer. */
export function buildKallsyms(symbols: readonly BuiltSymbol[], absolutePerCpu: boolean, stext = BASE) {
  const memory = new BuiltMemory(16);
  const names: number[] = [];
  symbols.forEach(({ name }, n) => {
    const word = `T${name}`;
    const rest = word.startsWith(LONG_TOKEN) ? word.slice(LONG_TOKEN.length) : word;
    const tokens = [...(rest === word ? [] : [LONG_TOKEN_NUMBER]), ...Buffer.from(rest)];
    if (tokens.length > 127) names.push((tokens.length & 0x7f) | 0x80, tokens.length >> 7);
    else names.push(tokens.length);
    names.push(...tokens);
    const { at } = symbols[n]!;
    const offset = absolutePerCpu ? (at < 0 ? -at : -1 - at) : at;
    memory.u32(IMAGE + AT.offsets + BigInt(n * 4), offset >>> 0);
  });
  memory.put(IMAGE + AT.names, Uint8Array.from(names));
  let table = "";
  for (let token = 0; token < 256; token++) {
    memory.u16(IMAGE + AT.index + BigInt(token * 2), table.length);
    table += `${token === LONG_TOKEN_NUMBER ? LONG_TOKEN : String.fromCharCode(token || 1)}\0`;
  }
  memory.put(IMAGE + AT.table, Buffer.from(table, "latin1"));
  memory.u32(IMAGE + AT.count, symbols.length);
  memory.u64(IMAGE + AT.base, BASE);
  const keys = {
    kallsyms_names: AT.names,
    kallsyms_offsets: AT.offsets,
    kallsyms_token_table: AT.table,
    kallsyms_token_index: AT.index,
    kallsyms_num_syms: AT.count,
    kallsyms_relative_base: AT.base,
    _stext: stext - IMAGE,
  };
  const text = Object.entries(keys).map(([key, at]) => `SYMBOL(${key})=${(IMAGE + at).toString(16)}`);
  return { memory, info: new VmcoreInfo(text.join("\n")) };
}
