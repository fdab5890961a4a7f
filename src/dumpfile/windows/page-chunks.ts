import { PAGE_SIZE } from "../../binary/index.ts";
import type { PageSource } from "../image.ts";

/** 1 MiB: large enough that a write costs little, small enough that memory is never held twice. */
export const CHUNK_BYTES = 2 ** 20;
const CHUNK_PAGES = CHUNK_BYTES / PAGE_SIZE;

/** The pages of a source, run by run, in pieces of at most 1 MiB. */
export function* pageChunks(pages: PageSource): Generator<Uint8Array, void, undefined> {
  for (const { firstPage, pageCount } of pages.runs)
    for (let done = 0; done < pageCount; done += CHUNK_PAGES)
      yield pages.read(firstPage + done, Math.min(CHUNK_PAGES, pageCount - done));
}

/** Bytes that are already at hand, in pieces of at most 1 MiB. */
export function* byteChunks(bytes: Uint8Array): Generator<Uint8Array, void, undefined> {
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES) yield bytes.subarray(at, at + CHUNK_BYTES);
}

export const pagesIn = (pages: PageSource) => pages.runs.reduce((sum, run) => sum + run.pageCount, 0);
