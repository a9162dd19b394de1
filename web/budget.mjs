// Rows of a file are cut to the bands of SH that the budget of memory has room for, as Python told.

/**
 * Of each row its first bytes, in the place of the whole file.
 * @param {Record<string, Promise<Uint8Array<ArrayBuffer>>>} files
 * @param {Record<string, [number, number]>} [cut] By the file: bytes of a row, and those that stay;
 *   whole words.
 */
export function cutRows(files, cut = {}) {
  for (const [name, [row, kept]] of Object.entries(cut)) {
    files[name] = files[name].then((bytes) => firstOfRows(bytes, row / 4, kept / 4));
    files[name].catch(() => {}); // told where it is waited for
  }
}

/** @param {Uint8Array<ArrayBuffer>} bytes @param {number} row @param {number} kept In words. */
function firstOfRows(bytes, row, kept) {
  const from = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
  const to = new Uint32Array(from.length / row * kept);
  for (let at = 0, next = 0; next < to.length; at += row) {
    for (let i = 0; i < kept; i += 1) to[next++] = from[at + i];
  }
  return new Uint8Array(to.buffer);
}
