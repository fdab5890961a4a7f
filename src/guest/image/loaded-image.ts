import { coffHeader, dosHeader, optionalHeader, PAGE_SIZE } from "../../binary/index.ts";
import type { ImageFunction } from "./function.ts";
import type { BuiltImage, ImageDeclaration, SectionAccess } from "./image-declaration.ts";
import { buildImage } from "./portable-executable.ts";

/** An image at its address in the kernel. */
export interface LoadedImage {
  /** With extension: `leakdrv.sys`. */
  readonly name: string;
  /** What `module!function` calls it: `leakdrv`; the kernel is `nt`. */
  readonly shortName: string;
  readonly base: bigint;
  readonly size: number;
  readonly built: BuiltImage;
}

/** A function of a loaded image: what the model calls. */
export interface KernelFunction {
  readonly image: LoadedImage;
  readonly code: ImageFunction;
  /** What other images call it: `nt!KeBugCheckEx`. */
  readonly name: string;
  /** Address of the first byte. */
  readonly address: bigint;
}

/** What maps an image's pages. */
export interface ImageMapper {
  mapPage(address: bigint, content: Uint8Array, access: SectionAccess): void;
}

const REL32_END = 4;

/** The images in the kernel, and the linking of calls between them. */
export class Images {
  readonly loaded: LoadedImage[] = [];
  readonly #mapper: ImageMapper;
  #next: bigint;

  /** @param start address of the first image; the others follow, with a page between them that is not mapped */
  constructor(mapper: ImageMapper, start: bigint) {
    this.#mapper = mapper;
    this.#next = start;
  }

  /** Builds the image, links its calls to images already loaded and maps it. */
  load(declaration: ImageDeclaration): LoadedImage {
    return this.loadTogether([declaration])[0]!;
  }

  /** Loads images that call each other. */
  loadTogether(declarations: readonly ImageDeclaration[]): LoadedImage[] {
    const images = declarations.map((declaration) => {
      const built = buildImage(declaration);
      const image: LoadedImage = {
        name: declaration.name,
        shortName: declaration.name === "ntoskrnl.exe" ? "nt" : declaration.name.replace(/\.[^.]*$/, ""),
        base: this.#next,
        size: built.bytes.length,
        built,
      };
      this.#next += BigInt(roundUp(built.bytes.length + PAGE_SIZE, 0x1_0000));
      this.loaded.push(image);
      return image;
    });
    for (const image of images) {
      this.#link(image);
      this.#map(image);
    }
    return images;
  }

  /** Takes an image off the list; its pages are the caller's to unmap. */
  forget(image: LoadedImage): void {
    this.loaded.splice(this.loaded.indexOf(image), 1);
  }

  /** @param name `nt!KeBugCheckEx`, or a bare name together with the image it lies in */
  find(name: string, within?: LoadedImage): KernelFunction {
    const [module, bare] = name.includes("!") ? (name.split("!") as [string, string]) : [within?.shortName, name];
    const image = this.loaded.find((one) => one.shortName === module);
    const code = image?.built.functions.get(bare);
    if (!image || !code) throw new Error(`no loaded image has the function ${name}`);
    return { image, code, name: `${image.shortName}!${bare}`, address: image.base + BigInt(code.begin) };
  }

  imageAt(address: bigint): LoadedImage | undefined {
    return this.loaded.find((one) => address >= one.base && address < one.base + BigInt(one.size));
  }

  #link(image: LoadedImage): void {
    const { bytes, fixups } = image.built;
    const view = new DataView(bytes.buffer);
    for (const { at, target } of fixups) {
      const from = image.base + BigInt(at + REL32_END);
      view.setInt32(at, Number(this.find(target, image).address - from), true);
    }
    const headers = dosHeader.read(bytes).newHeader + coffHeader.size;
    optionalHeader.write(bytes, headers, { imageBase: image.base }); // as the loader leaves it after relocating
  }

  #map({ base, built: { bytes, sections } }: LoadedImage): void {
    // The headers in front of the first section are read-only.
    const accessOf = (rva: number) => sections.findLast(({ begin }) => begin <= rva)?.access ?? "read-only";
    for (let rva = 0; rva < bytes.length; rva += PAGE_SIZE)
      this.#mapper.mapPage(base + BigInt(rva), bytes.subarray(rva, rva + PAGE_SIZE), accessOf(rva));
  }
}

const roundUp = (value: number, to: number) => Math.ceil(value / to) * to;
