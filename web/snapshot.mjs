// Python's memory as a file: pybuild/snapshot_node.mjs writes it, the page starts from it, so that
// neither Python nor the engine has to be imported again.
//
// The file has the pages in which that memory differs from what the WebAssembly module has before
// Python starts, and those that are never the same twice then: names, random numbers. It fits one
// build of Pyodide only; a checksum of the other pages tells.
//
//   u32 bytes of the description, a multiple of 4 | description, JSON, spaces at its end
//   u32 index of each page | the pages

const PAGE_BYTES = 4096;
const PAGE_WORDS = PAGE_BYTES / 4;

/**
 * @typedef {{state: object, info: object, memory_bytes: number, pages: number, sum: number}} Description
 *   `state` is Pyodide's own, `info` of its lock file, `sum` of the pages that are not in the file.
 */

/** Sum of the words of all pages but some, which depends on their order.
 * @param {Uint32Array} words @param {Uint32Array} but Indices of pages, ascending. */
function sumOf(words, but) {
  let sum = 0;
  let next = 0;
  for (let page = 0; page * PAGE_WORDS < words.length; page++) {
    if (but[next] === page) next++;
    else {
      const end = (page + 1) * PAGE_WORDS;
      for (let at = page * PAGE_WORDS; at < end; at++) sum = (Math.imul(sum, 31) + words[at]) | 0;
    }
  }
  return sum;
}

/** Words of a memory that may have grown since: what is new has zeros in it.
 * @param {Uint8Array} bytes @param {number} size */
function grown(bytes, size) {
  const words = new Uint32Array(size);
  words.set(new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4));
  return words;
}

/** The file's content.
 * @param {Uint8Array} before @param {Uint8Array} other Before another start.
 * @param {Uint8Array} after @param {{state: object, info: object}} facts */
export function difference(before, other, after, facts) {
  const words = new Uint32Array(after.buffer, after.byteOffset, after.length / 4);
  const [old, changed] = [before, other].map((bytes) => grown(bytes, words.length));
  /** @type {number[]} */
  const found = [];
  for (let page = 0; page * PAGE_WORDS < words.length; page++) {
    const end = (page + 1) * PAGE_WORDS;
    let at = page * PAGE_WORDS;
    while (at < end && old[at] === words[at] && old[at] === changed[at]) at++;
    if (at < end) found.push(page);
  }
  const indices = Uint32Array.from(found);
  const text = JSON.stringify({
    ...facts, memory_bytes: after.length, pages: found.length, sum: sumOf(old, indices),
  });
  const told = new TextEncoder().encode(text.padEnd(Math.ceil(text.length / 4) * 4));
  const pages = 4 + told.length + indices.byteLength;
  const file = new Uint8Array(pages + found.length * PAGE_BYTES);
  new DataView(file.buffer).setUint32(0, told.length, true);
  file.set(told, 4);
  file.set(new Uint8Array(indices.buffer), 4 + told.length);
  found.forEach((page, i) => {
    const bytes = after.subarray(page * PAGE_BYTES, (page + 1) * PAGE_BYTES);
    file.set(bytes, pages + i * PAGE_BYTES);
  });
  return file;
}

/** What a file says of itself, and its pages. @param {ArrayBuffer} file */
function parts(file) {
  const length = new DataView(file).getUint32(0, true);
  const told = new TextDecoder().decode(new Uint8Array(file, 4, length));
  /** @type {Description} */
  const description = JSON.parse(told);
  const indices = new Uint32Array(file, 4 + length, description.pages);
  return { description, indices, pages: new Uint8Array(file, 4 + length + indices.byteLength) };
}

/** Write the pages into memory that is as it was before. @param {Uint8Array} memory
 * @param {ArrayBuffer} file @returns {object} Pyodide's state. */
function restore(memory, file) {
  const { description, indices, pages } = parts(file);
  const words = new Uint32Array(memory.buffer, memory.byteOffset, memory.length / 4);
  if (memory.length !== description.memory_bytes || sumOf(words, indices) !== description.sum) {
    throw new Error("the snapshot is of another memory");
  }
  indices.forEach((page, i) => {
    memory.set(pages.subarray(i * PAGE_BYTES, (i + 1) * PAGE_BYTES), page * PAGE_BYTES);
  });
  return description.state;
}

let told = false;

/** Pyodide says in the console alone that its module did not come whole, and waits for ever: have the
 * worker fail, which the element hears of. */
function tellOfModules() {
  if (told) return; // by a start before this one
  told = true;
  const { instantiateStreaming } = WebAssembly;
  WebAssembly.instantiateStreaming = (...given) => {
    const made = instantiateStreaming(...given);
    made.catch((error) => reportError(new Error(`pyodide.asm.wasm did not load (${error})`)));
    return made;
  };
}

/**
 * Options for loadPyodide that start it from a snapshot. Its file may still be on its way: the
 * module is compiled meanwhile.
 * @param {URL} home Of Pyodide's files.
 * @param {number} size Bytes of the memory.
 * @param {Promise<ArrayBuffer>} file
 */
export function fromSnapshot(home, size, file) {
  tellOfModules();
  return {
    _loadSnapshot: new Uint8Array(size), // tells the size alone: `restoreSnapshot` is ours
    /** @param {any} settings */
    async createPyodideModule(settings) {
      const { default: create } = await import(new URL("pyodide.asm.mjs", home).href);
      const [module, bytes] = await Promise.all([create(settings), file]);
      settings.API.restoreSnapshot = () => restore(module.HEAPU8, bytes);
      return module;
    },
  };
}
