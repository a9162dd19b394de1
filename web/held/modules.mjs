/**
 * Modules that no server has, as blob: URLs: what they import is rewritten to such URLs too.
 *
 * Pages and workers make their own: a worker of a page from disk may not load what the page made.
 */

/** An address that no network knows; the files have theirs below it. */
export const ROOT = "https://vitrine.invalid/";

const STATIC = /(\bfrom\s*|\bimport\s*)(["'])(\.\/[\w./-]+)\2/g;
const DYNAMIC = /(?<![\w$.])import\(/g;
const META = /\bimport\.meta\.url\b/g;

export class Modules {
  #read;
  /** By their addresses. @type {Map<string, Promise<string>>} */
  #urls = new Map();

  /** @param {(url: string) => Promise<Blob>} read */
  constructor(read) {
    this.#read = read;
    const here = /** @type {any} */ (globalThis);
    here.vitrineImport = (/** @type {string} */ base, /** @type {string} */ name) =>
      this.load(new URL(name, base).href);
  }

  /** What `import(name)` has become. @param {string} url @returns {Promise<any>} */
  async load(url) {
    return import(await this.url(url));
  }

  /** The blob: URL of a module; any other address as it is. @param {string} url @returns {Promise<string>} */
  url(url) {
    if (!url.startsWith(ROOT)) return Promise.resolve(url);
    const known = this.#urls.get(url);
    if (known) return known;
    const made = this.#make(url);
    this.#urls.set(url, made);
    made.catch(() => this.#urls.delete(url)); // another try may have it
    return made;
  }

  /** @param {string} url */
  async #make(url) {
    const text = await (await this.#read(url)).text();
    const names = new Set([...text.matchAll(STATIC)].map((match) => match[3]));
    /** @type {Record<string, string>} */
    const urls = {};
    await Promise.all([...names].map(async (name) => {
      urls[name] = await this.url(new URL(name, url).href);
    }));
    const own = JSON.stringify(url);
    const source = text
      .replace(STATIC, (_, before, quote, name) => before + quote + urls[name] + quote)
      .replace(DYNAMIC, () => `vitrineImport(${own},`)
      .replace(META, () => own);
    return URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  }
}
