// The GPU memory that a scene may take: Python decides what fits, here rows of a file are cut to it.

/**
 * Tell Python what each scene may take.
 * @param {any} python
 * @param {number} [megabytes] None or 0: as much as there is.
 */
export function keepBudget(python, megabytes = 0) {
  if (megabytes > 0) python.pyimport("pyengine.hosts.page_budget").set_budget(megabytes);
  return python;
}

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
