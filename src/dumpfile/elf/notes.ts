import type { DumpNote } from "../dump.ts";
import { noteHeader } from "./layouts.ts";

/** Real vmcores carry two notes a processor and a few more. */
const MOST_NOTES = 65_536;

const padded = (length: number) => Math.ceil(length / 4) * 4;

/** What a run of ELF notes holds; `damagedAt` is where a note claims more bytes than there are. */
export interface ParsedNotes {
  readonly notes: readonly DumpNote[];
  readonly damagedAt: number | null;
}

/** Reads notes (a PT_NOTE segment, or the note part of a kdump file) up to the first that cannot be one. */
export function parseNotes(data: Uint8Array): ParsedNotes {
  const notes: DumpNote[] = [];
  let at = 0;
  while (at + noteHeader.size <= data.length) {
    const { nameBytes, descriptorBytes, type } = noteHeader.read(data, at);
    // The kernel reserves a page of notes a processor and leaves the rest zero.
    if (nameBytes === 0 && descriptorBytes === 0 && type === 0) break;
    const nameAt = at + noteHeader.size;
    const descriptorAt = nameAt + padded(nameBytes);
    if (descriptorAt + descriptorBytes > data.length || notes.length === MOST_NOTES) return { notes, damagedAt: at };
    notes.push({
      name: latin1(data.subarray(nameAt, nameAt + nameBytes)),
      type,
      bytes: Uint8Array.from(data.subarray(descriptorAt, descriptorAt + descriptorBytes)),
    });
    at = descriptorAt + padded(descriptorBytes);
  }
  return { notes, damagedAt: null };
}

/** The notes as the bytes of a PT_NOTE segment. */
export function noteBytes(notes: readonly DumpNote[]): Uint8Array {
  const size = (note: DumpNote) => noteHeader.size + padded(note.name.length + 1) + padded(note.bytes.length);
  const data = new Uint8Array(notes.reduce((sum, note) => sum + size(note), 0));
  let at = 0;
  for (const note of notes) {
    const nameBytes = note.name.length + 1;
    noteHeader.write(data, at, { nameBytes, descriptorBytes: note.bytes.length, type: note.type });
    data.set(Buffer.from(note.name, "latin1"), at + noteHeader.size);
    data.set(note.bytes, at + noteHeader.size + padded(nameBytes));
    at += size(note);
  }
  return data;
}

/** The VMCOREINFO text among the notes, `KEY=value` lines; null where the guest gave none. */
export function vmcoreinfoOf(notes: readonly DumpNote[]): string | null {
  const note = notes.find(({ name }) => name === "VMCOREINFO");
  return note ? latin1(note.bytes) : null;
}

/** Text up to the first NUL. */
export function latin1(data: Uint8Array): string {
  const end = data.indexOf(0);
  return Buffer.from(data.buffer, data.byteOffset, end < 0 ? data.length : end).toString("latin1");
}
