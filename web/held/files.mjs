/**
 * Files that no server has: a page of one file carries them, a notebook's kernel sends them.
 *
 * The element looks here before it takes an address as it is (../view-held.mjs); its worker asks for
 * files through a port (worker.mjs).
 */

import { Modules, ROOT } from "./modules.mjs";

const KEY = Symbol.for("vitrine.held");
/** What a worker begins with: modules.mjs and worker.mjs as one classic script. */
const SHELL = "held/worker.js";

/** @typedef {(path: string) => Promise<Blob>} Read  Of one folder; rejects where there is no such file. */

export class HeldFiles {
  /** By the folder's address. @type {Map<string, Read>} */
  #folders = new Map();
  /** How often each was added. @type {Map<string, number>} */
  #uses = new Map();
  /** What was asked for once, by its address. @type {Map<string, Promise<Blob>>} */
  #blobs = new Map();
  #modules = new Modules((url) => this.read(url));
  #shell = "";
  /** @type {Promise<void> | null} */
  #defined = null;

  /** The one of this page. @returns {HeldFiles} */
  static shared() {
    const page = /** @type {any} */ (globalThis);
    return (page[KEY] ??= new HeldFiles());
  }

  /** Take a folder's files from now on; returns its address.
   * @param {string} folder  Ends with a slash, or is empty. @param {Read} read */
  add(folder, read) {
    this.#folders.set(ROOT + folder, read);
    this.#uses.set(folder, (this.#uses.get(folder) ?? 0) + 1);
    return ROOT + folder;
  }

  /** Forget a folder that was removed as often as it was added. @param {string} folder */
  remove(folder) {
    const uses = (this.#uses.get(folder) ?? 0) - 1;
    this.#uses.set(folder, uses);
    if (uses > 0) return;
    this.#uses.delete(folder);
    this.#folders.delete(ROOT + folder);
    for (const url of this.#blobs.keys()) {
      if (url.startsWith(ROOT + folder)) this.#blobs.delete(url);
    }
  }

  /** Whether an address is one of those here. @param {string} url */
  has(url) {
    return url.startsWith(ROOT);
  }

  /** @param {string} url @returns {Promise<Blob>} */
  read(url) {
    const known = this.#blobs.get(url);
    if (known) return known;
    const blob = this.#read(url);
    this.#blobs.set(url, blob);
    blob.catch(() => this.#blobs.delete(url)); // another try may have it
    return blob;
  }

  /** @param {string} url */
  async #read(url) {
    for (const [folder, read] of this.#folders) {
      if (url.startsWith(folder)) return read(decodeURIComponent(url.slice(folder.length)));
    }
    throw new Error(`${url} is not here.`);
  }

  /** An audio worklet's module, which imports none: no page from disk may load a blob: URL of one.
   * @param {string} url */
  async worklet(url) {
    const text = await (await this.read(url)).text();
    return `data:text/javascript,${encodeURIComponent(text)}`;
  }

  /** Define <vitrine-view>. @param {string} base  Where its modules are. @returns {Promise<void>} */
  defineElement(base) {
    this.#defined ??= this.#define(base).catch((error) => {
      this.#defined = null; // another try may do it
      throw error;
    });
    return this.#defined;
  }

  /** @param {string} base */
  async #define(base) {
    const shell = this.read(base + SHELL).then((blob) => blob.text());
    const element = this.#modules.url(`${base}vitrine-view.mjs`);
    this.#shell = await shell;
    await import(await element);
  }

  /** A worker whose module is here; it keeps messages until that is loaded. @param {string} url */
  startWorker(url) {
    const blob = URL.createObjectURL(new Blob([this.#shell], { type: "text/javascript" }));
    const worker = new Worker(blob);
    setTimeout(() => URL.revokeObjectURL(blob), 60_000);
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = ({ data }) => {
      this.read(data.url).then(
        (blob) => port1.postMessage({ id: data.id, blob }),
        (error) => port1.postMessage({ id: data.id, error: String(error.message ?? error) }),
      );
    };
    worker.postMessage({ port: port2, url }, [port2]);
    return worker;
  }
}
