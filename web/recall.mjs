// What the last visit compiled for a scene is compiled again while Python starts, so that its pipelines
// are there when the plan is. The browser's cache remembers it, by the scene and this version of the
// modules; where it does not, pipelines are compiled when the plan is made.

import { Executor } from "./executor.mjs";

/** @typedef {import("./executor.mjs").Compiled} Compiled */
/** @typedef {import("./executor.mjs").Plan} Plan */

const CACHE = "vitrine-shaders";
/** Scenes that are remembered, and the characters of one's shaders: a megabyte compresses little. */
const MAX_SCENES = 16, MAX_CHARACTERS = 2 ** 20;

export class Recall {
  #base;
  #key;
  /** As it is remembered. */
  #text = "";
  /** @type {Promise<Executor | null>} */
  #made;

  /**
   * @param {string} base URL of the modules, which tells their version.
   * @param {string} scene URL of scene.json.
   * @param {() => Promise<import("./gpu.mjs").Given>} gpu
   * @param {(device: GPUDevice) => Map<string, Compiled>} there Pipelines that need not be compiled.
   */
  constructor(base, scene, gpu, there) {
    this.#base = base;
    this.#key = new URL(`shaders?scene=${encodeURIComponent(scene)}`, base).href;
    this.#made = this.#compile(gpu, there).catch(() => null); // all is compiled later then
  }

  /** Pipelines of a device, once they are there; none where nothing was remembered.
   * @param {GPUDevice} device @returns {Promise<Map<string, Compiled>>} */
  async compiled(device) {
    const made = await this.#made;
    this.#made = Promise.resolve(null); // whoever took them keeps them
    return made?.device === device ? made.compiled : new Map();
  }

  /** Remember the pipelines of a plan for the next visit.
   * @param {string} adapter What plans depend on. @param {Plan} plan */
  async keep(adapter, { shaders, subgroups, compute, render }) {
    const plan = { shaders, subgroups, compute, render, buffers: [], textures: [], schedules: {}, needs: [] };
    const text = JSON.stringify({ adapter, plan });
    if (text === this.#text || text.length > MAX_CHARACTERS) return;
    try {
      const cache = await caches.open(CACHE);
      const known = await cache.keys();
      const old = known.filter(({ url }) => !url.startsWith(this.#base));
      const first = known.filter(({ url }) => url.startsWith(this.#base) && url !== this.#key);
      const gone = [...old, ...first.slice(0, Math.max(0, first.length + 1 - MAX_SCENES))];
      await Promise.all(gone.map((request) => cache.delete(request)));
      await cache.put(this.#key, new Response(text));
      this.#text = text;
    } catch {
      // a page without a cache: from disk, in private, or with no room left
    }
  }

  /** @param {() => Promise<import("./gpu.mjs").Given>} gpu @param {(device: GPUDevice) => Map<string, Compiled>} there */
  async #compile(gpu, there) {
    const [given, answer] = await Promise.all([gpu(), caches.open(CACHE).then((cache) => cache.match(this.#key))]);
    if (!answer) return null;
    this.#text = await answer.text();
    const { adapter, plan } = JSON.parse(this.#text);
    if (adapter !== given.text) return null;
    const made = new Executor(given.device, plan, null, navigator.gpu.getPreferredCanvasFormat());
    await made.compile(() => {}, there(given.device));
    return made;
  }
}
