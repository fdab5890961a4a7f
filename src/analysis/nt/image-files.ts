import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { StopcodeError } from "../../binary/index.ts";
import { Image, type ReadImage } from "./image.ts";

/** A loaded module's identity: what an image file must have to be the one that was loaded. */
export interface ImageIdentity {
  readonly name: string;
  readonly timeDateStamp: number;
  readonly size: number;
}

const LARGEST_FILE = 256 * 1024 * 1024;

/**
 * Image files in folders, found by name and taken only when time stamp and size in memory are those of the loaded module.
 * Each file is read once, when a module of its name is first asked for.
 */
export class ImageFiles {
  readonly #paths = new Map<string, string[]>();
  readonly #opened = new Map<string, Image | null>();

  /** @throws StopcodeError `io/images` when a folder cannot be listed */
  constructor(folders: readonly string[]) {
    for (const folder of folders)
      for (const name of list(folder)) {
        const key = name.toLowerCase();
        this.#paths.set(key, [...(this.#paths.get(key) ?? []), join(folder, name)]);
      }
  }

  find(module: ImageIdentity): Image | null {
    for (const path of this.#paths.get(module.name.toLowerCase()) ?? []) {
      const image = this.#open(path);
      if (image?.timeDateStamp === module.timeDateStamp && image.size === module.size) return image;
    }
    return null;
  }

  #open(path: string): Image | null {
    const known = this.#opened.get(path);
    if (known !== undefined) return known;
    const image = openImageFile(path);
    this.#opened.set(path, image);
    return image;
  }
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (cause) {
    throw new StopcodeError("io/images", `cannot list the folder of images: ${(cause as Error).message}`, {
      where: { file: folder },
      hint: "name a folder that holds the driver files of the crashed machine",
      cause,
    });
  }
}

function openImageFile(path: string): Image | null {
  try {
    const status = statSync(path);
    if (!status.isFile() || status.size > LARGEST_FILE) return null;
    return imageOfFile(readFileSync(path));
  } catch {
    return null; // an image is an extra: one that cannot be read is as good as none
  }
}

/** The image that a file's bytes make when they are laid out in memory; null when they are no PE32+ image. */
export function imageOfFile(file: Uint8Array): Image | null {
  const slice = (at: number, length: number) => (at + length <= file.length ? file.subarray(at, at + length) : null);
  // Headers lie at the same place in the file and in memory, so the file itself serves until the sections are known.
  const sections = Image.open(slice)?.sections;
  if (!sections) return null;
  const read: ReadImage = (rva, length) => {
    for (const section of sections) {
      const offset = rva - section.virtualAddress;
      const room = Math.max(section.virtualSize, section.sizeOfRawData);
      if (offset < 0 || offset >= room || offset + length > room) continue;
      if (offset + length <= section.sizeOfRawData) return slice(section.pointerToRawData + offset, length);
      const bytes = new Uint8Array(length); // what the file does not hold of a section is zero in memory
      const held = slice(section.pointerToRawData + offset, Math.max(0, section.sizeOfRawData - offset));
      if (held) bytes.set(held.subarray(0, length));
      return bytes;
    }
    return sections.some((s) => rva >= s.virtualAddress) ? null : slice(rva, length);
  };
  return Image.open(read);
}
