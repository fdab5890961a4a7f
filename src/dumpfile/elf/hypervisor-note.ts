import { layout, StopcodeError, size64, text, u32 } from "../../binary/index.ts";
import type { DumpNote } from "../dump.ts";

const NAME = "STOPCODE";
/** Not 1: tools take a note of type 1 for NT_PRSTATUS, whoever owns it. */
const HYPERVISOR_CRASH = 0x5648;
const VERSION = 1;

/** What a failed hypervisor's dump says of itself: the crash region has the rest, and it is in the dump. */
export interface HypervisorNote {
  /** First frame of the crash region in system physical memory. */
  readonly firstFrame: number;
  readonly frames: number;
  readonly crashedAt: Date;
  /** 100 ns since the host's start. */
  readonly upTime: number;
  readonly host: string;
}

/** Descriptor of the note STOPCODE, type 0x5648: where in a dump of system physical memory the hypervisor left its state. */
export const hypervisorCrash = layout("HYPERVISOR_CRASH", 0x70, {
  version: u32(0x00, "1"),
  size: u32(0x04, "0x70"),
  firstFrame: size64(0x08, "first frame of the crash region"),
  frames: size64(0x10, "frames of the crash region"),
  crashedAt: size64(0x18, "milliseconds since 1970-01-01 UTC, by the host's clock"),
  upTime: size64(0x20, "100 ns since the host's start"),
  host: text(0x28, 0x40, "name of the host"),
});

/** The note for a dump that is about to be written. */
export function hypervisorNote(note: HypervisorNote): DumpNote {
  const bytes = new Uint8Array(hypervisorCrash.size);
  hypervisorCrash.write(bytes, 0, {
    ...note,
    version: VERSION,
    size: hypervisorCrash.size,
    crashedAt: note.crashedAt.getTime(),
  });
  return { name: NAME, type: HYPERVISOR_CRASH, bytes };
}

/**
 * The hypervisor's note among those of a dump; null where there is none.
 * @throws StopcodeError `dump/hypervisor-note` for one that is cut off or of another version
 */
export function hypervisorNoteOf(notes: readonly DumpNote[]): HypervisorNote | null {
  const note = notes.find(({ name, type }) => name === NAME && type === HYPERVISOR_CRASH);
  if (!note) return null;
  const whole = note.bytes.length >= hypervisorCrash.size;
  const read = whole ? hypervisorCrash.read(note.bytes) : null;
  if (read?.version !== VERSION)
    throw new StopcodeError(
      "dump/hypervisor-note",
      whole
        ? `the hypervisor's note has version ${read?.version}, not ${VERSION}`
        : `the hypervisor's note has ${note.bytes.length} bytes of ${hypervisorCrash.size}`,
      { hint: "a newer version of stopcode may have written it" },
    );
  const { firstFrame, frames, crashedAt, upTime, host } = read;
  return { firstFrame, frames, crashedAt: new Date(crashedAt), upTime, host };
}
