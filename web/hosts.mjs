// Python's side of a display: one object for its frames, and beside it one for each thing that not
// every element does, made when it is first asked for.

/** Files of the parts, by the class in them. */
const FILES = {
  CaptureHost: "page_capture",
  FileHost: "page_file",
  FilterHost: "page_filter",
  ModeHost: "page_modes",
  PickHost: "page_pick",
  ViewHost: "page_view",
};

/** @typedef {{open_scene: Function, frame: Function, uniforms: Function, status: Function,
 *   redraw: Function, reset: Function, set_view: Function, set_track: Function, object_bytes: Function,
 *   bands: Function, destroy: () => void
 * } & import("./playback.mjs").Host & import("./objects.mjs").Host} Host Of pyengine/hosts/page.py. */

export class Hosts {
  #python;
  #budget;
  #ended = false;
  /** @type {Map<string, any>} */
  #parts = new Map();
  /** Of the frames; null until something is opened. @type {Host | null} */
  display = null;

  /** @param {() => Promise<any>} python @param {number} budget Megabytes; 0: as much as there is. */
  constructor(python, budget) {
    this.#python = python;
    this.#budget = budget;
  }

  /** @returns {Promise<Host>} */
  async start() {
    const python = await this.#python();
    if (this.#ended) throw new Error("the element is gone");
    this.display ??= /** @type {Host} */ (python.pyimport("pyengine.hosts.page").Display(this.#budget));
    this.#made(python, "FilterHost");
    return this.display;
  }

  /** @param {keyof typeof FILES} name @returns {Promise<any>} */
  async part(name) {
    await this.start();
    return this.#made(await this.#python(), name);
  }

  /** What filters the picture, once anything was opened. @returns {import("./filters.mjs").Host} */
  get filter() {
    return this.#parts.get("FilterHost");
  }

  /** Let go of all of them. */
  end() {
    this.#ended = true;
    for (const part of this.#parts.values()) part.destroy();
    this.display?.destroy();
    this.display = null;
  }

  /** @param {any} python @param {keyof typeof FILES} name */
  #made(python, name) {
    const known = this.#parts.get(name);
    if (known) return known;
    const made = python.pyimport(`pyengine.hosts.${FILES[name]}`)[name](this.display);
    this.#parts.set(name, made);
    return made;
  }
}
