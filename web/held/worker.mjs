// A worker of a page that holds its files itself (files.mjs) begins here: fetch and import get a
// second place to look, then its own module is loaded. The build makes it a classic script together
// with modules.mjs, because a page from disk can start no other.

import { Modules, ROOT } from "./modules.mjs";

/** @type {MessagePort} */
let port;
let count = 0;
/** @type {Map<number, {resolve: (blob: Blob) => void, reject: (error: Error) => void}>} */
const waiting = new Map();

/** @param {MessageEvent} event */
function answer({ data: { id, blob, error } }) {
  const asked = waiting.get(id);
  waiting.delete(id);
  if (blob) asked?.resolve(blob);
  else asked?.reject(new Error(error));
}

/** @param {string} url @returns {Promise<Blob>} */
const read = (url) => new Promise((resolve, reject) => {
  waiting.set(++count, { resolve, reject });
  port.postMessage({ id: count, url });
});

/** WebAssembly is compiled while it is read where its type is said. */
const WASM = { "Content-Type": "application/wasm" };
const realFetch = self.fetch;

/** @param {RequestInfo | URL} input @param {RequestInit} [options] */
self.fetch = async (input, options) => {
  const url = input instanceof Request ? input.url : String(input);
  if (!url.startsWith(ROOT)) return realFetch.call(self, input, options);
  try {
    return new Response(await read(url), url.endsWith(".wasm") ? { headers: WASM } : {});
  } catch (error) {
    return new Response(String(error), { status: 404 });
  }
};

// Modules are imported here as in any module worker; Pyodide refuses to run where it finds this one.
/** @type {any} */ (self).importScripts = undefined;

/** What came before the module was there. @type {MessageEvent[]} */
const early = [];

/** @param {MessageEvent} event */
function keep(event) {
  event.stopImmediatePropagation();
  if (port) early.push(event);
  else begin(event);
}

/** @param {MessageEvent} event */
async function begin({ data }) {
  port = data.port;
  port.onmessage = answer;
  try {
    await new Modules(read).load(data.url);
  } catch (error) {
    setTimeout(() => { throw error; }); // the page hears of it as of any fault of a worker
  }
  self.removeEventListener("message", keep);
  for (const event of early) self.onmessage?.(event);
}

self.addEventListener("message", keep);
