import {
  DIRECTORY,
  dataDirectory,
  dosHeader,
  exportDirectory,
  optionalHeader,
  runtimeFunction,
} from "../../src/binary/index.ts";
import type { View } from "./lab.ts";

export interface TwinFrame {
  /** `leakdrv.sys!MapBuffer` */
  readonly name: string;
  readonly rip: bigint;
  readonly rsp: bigint;
  readonly registers: readonly bigint[];
}

/** The plainest unwinder there can be: Microsoft's "x64 exception handling" read aloud, for the operations kernels use. */
export function unwind(view: View, start: { rip: bigint; rsp: bigint; registers: bigint[] }): TwinFrame[] {
  const frames: TwinFrame[] = [];
  let { rip, rsp } = start;
  const registers = [...start.registers];
  while (rip !== 0n && frames.length < 64) {
    const module = view.modules.find((one) => rip >= one.dllBase && rip < one.dllBase + BigInt(one.sizeOfImage));
    if (!module) throw new Error(`0x${rip.toString(16)} lies in no module`);
    const rva = Number(rip - module.dllBase);
    const image = (at: number, bytes: number) => view.memory.read(module.dllBase + BigInt(at), bytes);
    frames.push({ name: `${module.name}!${nameAt(image, rva)}`, rip, rsp, registers: [...registers] });
    const entry = functionAt(image, rva);
    if (!entry) throw new Error(`no RUNTIME_FUNCTION covers ${module.name}+0x${rva.toString(16)}`);
    const info = image(entry.unwindInfo, 4);
    const codes = image(entry.unwindInfo + 4, info[2]! * 2);
    const into = rva - entry.beginAddress;
    let machineFrame = false;
    for (let slot = 0; slot < info[2]!; ) {
      const [offset, operation, operand] = [codes[slot * 2]!, codes[slot * 2 + 1]! & 15, codes[slot * 2 + 1]! >> 4];
      const done = into >= offset;
      switch (operation) {
        case 0:
          if (done) {
            registers[operand] = view.word(rsp);
            rsp += 8n;
          }
          slot += 1;
          break;
        case 1:
          if (operand !== 0) throw new Error("an allocation above 512 KiB");
          if (done) rsp += BigInt((codes[slot * 2 + 2]! | (codes[slot * 2 + 3]! << 8)) * 8);
          slot += 2;
          break;
        case 2:
          if (done) rsp += BigInt(operand * 8 + 8);
          slot += 1;
          break;
        case 10:
          if (operand === 1) rsp += 8n;
          machineFrame = true;
          slot += 1;
          break;
        default:
          throw new Error(`unwind operation ${operation}`);
      }
    }
    rip = view.word(rsp);
    rsp = machineFrame ? view.word(rsp + 24n) : rsp + 8n;
  }
  return frames;
}

type ReadImage = (rva: number, bytes: number) => Uint8Array;

function directory(image: ReadImage, index: number) {
  const optional = dosHeader.read(image(0, 64)).newHeader + 0x18;
  return dataDirectory.read(image(optional + optionalHeader.size + index * 8, 8));
}

function functionAt(image: ReadImage, rva: number) {
  const { virtualAddress, size } = directory(image, DIRECTORY.exception);
  for (let at = 0; at < size; at += runtimeFunction.size) {
    const entry = runtimeFunction.read(image(virtualAddress + at, runtimeFunction.size));
    if (rva >= entry.beginAddress && rva < entry.endAddress) return entry;
  }
  return null;
}

export function exportsOf(image: ReadImage): Map<string, number> {
  const { virtualAddress } = directory(image, DIRECTORY.export);
  const table = exportDirectory.read(image(virtualAddress, exportDirectory.size));
  const u32 = (at: number) => new DataView(image(at, 4).buffer).getUint32(0, true);
  const names = new Map<string, number>();
  for (let index = 0; index < table.numberOfNames; index++) {
    const at = u32(table.addressOfNames + 4 * index);
    const bytes = image(at, 64);
    const name = new TextDecoder().decode(bytes.subarray(0, bytes.indexOf(0)));
    const ordinal = new DataView(image(table.addressOfNameOrdinals + 2 * index, 2).buffer).getUint16(0, true);
    names.set(name, u32(table.addressOfFunctions + 4 * ordinal));
  }
  return names;
}

function nameAt(image: ReadImage, rva: number): string {
  const before = [...exportsOf(image)].filter(([, at]) => at <= rva).sort((a, b) => b[1] - a[1]);
  return before[0]?.[0] ?? "?";
}
