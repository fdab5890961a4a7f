const CHUNK_BYTES = 4096;

/**
 * Goes over the elements of a large array that are not `empty`, in order. Whole chunks of empty ones are compared natively:
 * a partition's arrays have a place for each of 2^20 guest frames, and hardly any is used.
 */
export function eachSet<T extends Int32Array | Uint16Array>(
  array: T,
  empty: number,
  visit: (index: number, value: number) => void,
): void {
  const perChunk = CHUNK_BYTES / array.BYTES_PER_ELEMENT;
  const nothing = bytesOf(array.slice(0, perChunk).fill(empty));
  for (let from = 0; from < array.length; from += perChunk) {
    const chunk = array.subarray(from, from + perChunk);
    if (Buffer.compare(bytesOf(chunk), nothing) !== 0) eachOf(chunk, from, empty, visit);
  }
}

function eachOf(
  chunk: Int32Array | Uint16Array,
  from: number,
  empty: number,
  visit: (index: number, value: number) => void,
): void {
  for (let index = 0; index < chunk.length; index++) if (chunk[index] !== empty) visit(from + index, chunk[index]!);
}

function bytesOf(array: Int32Array | Uint16Array): Buffer {
  return Buffer.from(array.buffer, array.byteOffset, array.byteLength);
}
