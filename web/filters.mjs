// Filters of the scene that is shown: choosing a size, fetching it, and building its plan beside
// the one that goes on meanwhile. Python's side is pyengine/hosts/page_filter.py.

import { Executor } from "./executor.mjs";
import { Failure, fetchBytes } from "./loading.mjs";
import { fetchProgram } from "./program-files.mjs";

const FAULTS = "filter.faults";
/** A canvas that is being resized is left alone until it rests. */
const RESIZED_MS = 250;

/**
 * @typedef {{choose_filter: Function, open_filter: Function, show_filter: Function,
 *   filter_bytes: Function, filter_inputs: Function, check_filter: Function,
 *   set_filter: Function}} Host Of pyengine/hosts/page_filter.py.
 * @typedef {{rung: number, programs: string[], levels: number, render?: [number, number],
 *   output?: [number, number], error?: string}} Choice
 * @typedef {import("./view-protocol.mjs").FilterInfo} Listed
 * @typedef {{check_mode: (name: string) => string, open_mode: (mode: string, adapter: string) => string
 * }} ModeHost Of pyengine/hosts/page_modes.py.
 * @typedef {object} Hooks
 * @property {() => Host} host
 * @property {() => Promise<ModeHost>} modes
 * @property {() => Promise<import("./gpu.mjs").Given>} gpu
 * @property {() => Executor | null} executor That is shown.
 * @property {(made: Executor, answer: any) => void} swap Show another from now on.
 * @property {() => void} schedule Ask for a frame.
 * @property {() => {width: number, height: number}} size Of the canvas.
 * @property {(message: Record<string, unknown>) => void} tell
 */

export class Filters {
  #hooks;
  /** A scene is shown. */
  #open = false;
  #url = "";
  /** What may be picked. @type {Listed[]} */
  #listed = [];
  /** What was picked, whether it is shown already or not; null: nobody did. @type {string | null} */
  #wanted = null;
  /** What is shown. @type {{name: string, rung: number, mode: string}} */
  #shown = { name: "", rung: -1, mode: "" };
  /** What is to be drawn instead of colours; empty: colours, through the filter that is picked. */
  #mode = "";
  /** The filter that was on before the mode. */
  #before = "";
  #level = 0;
  #look = { strength: -1, split: -1 };
  /** One after the other. @type {Promise<unknown>} */
  #chain = Promise.resolve();
  #timer = 0;
  /** Ends the downloads of a display that is gone. */
  #gone = new AbortController();
  /** Its first frame is still to come. */
  #due = false;
  /** Says that the scene is there, as soon as what belongs on it is on.
   * @type {((listed: Listed[]) => void) | null} */
  #ready = null;
  /** Frames were drawn whose numbers nobody has looked at. */
  #unchecked = false;

  /** @param {Hooks} hooks */
  constructor(hooks) {
    this.#hooks = hooks;
  }

  /** Of the element's messages. @type {Record<string, (message: any) => void>} */
  handlers = {
    filter: ({ name, strength, split, id }) => {
      this.choose(name).then(() => {
        this.look(strength, split);
        this.#hooks.tell({ type: "filtered", id, error: null });
        this.#hooks.schedule();
      }, (error) => this.#hooks.tell({ type: "filtered", id, error: error.message }));
    },
    mode: ({ mode, id }) => {
      this.mode(mode).then(
        (value) => this.#hooks.tell({ type: "told", id, error: null, value, state: null }),
        (error) => this.#hooks.tell({ type: "told", id, error: error.message }));
    },
    look: ({ strength, split }) => {
      this.look(strength, split);
      this.#hooks.schedule();
    },
  };

  /** Another scene is shown, or the same one on another device: put on what belongs there.
   * @param {string} url Of scene.json; empty for a file.
   * @param {Listed[]} listed
   * @param {(listed: Listed[]) => void} ready Called once that is on, or cannot be; not if
   *   another scene comes before. */
  async begin(url, listed, ready) {
    this.#open = true;
    if (url !== this.#url || !url) this.#level = 0;
    this.#url = url;
    this.#listed = listed;
    this.#shown = { name: "", rung: -1, mode: "" };
    this.#before = "";
    this.#ready = ready;
    const name = (listed.length ? this.#wanted ?? listed.find(({ first }) => first)?.name : "") ?? "";
    if (this.#mode) this.#before = name;
    if (name || this.#mode) {
      await this.#put(name).catch((error) => this.#complain(name, error));
      await this.#chain; // another one may have been picked meanwhile
    }
    if (this.#ready === ready) this.#begun();
  }

  /** What was picked, where this scene has it. */
  get #picked() {
    return !this.#wanted || this.#listed.some((item) => item.name === this.#wanted) ? this.#wanted : null;
  }

  /** Draw something else than colours, or colours again, through the filter that was on.
   * @param {string} asked Of pyengine/passes/modes.py. @returns {Promise<string>} */
  async mode(asked) {
    const { mode, error } = JSON.parse((await this.#hooks.modes()).check_mode(asked));
    if (error) throw new Failure("view", error);
    if (mode && !this.#shown.mode) this.#before = this.#shown.name;
    this.#mode = mode;
    if (this.#open) await this.#put(this.#picked ?? this.#before);
    this.#hooks.schedule();
    return mode;
  }

  /** Pick one; empty: none. @param {string} name @returns {Promise<void>} */
  choose(name) {
    if (!this.#open) {
      this.#wanted = name; // for the scene that is on its way
      return Promise.resolve();
    }
    if (name && !this.#listed.some((item) => item.name === name)) {
      const names = this.#listed.map((item) => item.name).join(", ");
      const rest = names ? `; it has ${names}.` : ".";
      return Promise.reject(new Failure("filter", `This scene has no filter ${name}${rest}`));
    }
    if (name !== this.#wanted) this.#level = 0;
    this.#wanted = name;
    return this.#put(name).catch((error) => {
      if (this.#wanted === name) this.#wanted = this.#shown.name;
      throw error;
    });
  }

  /** @param {number | undefined} strength @param {number | undefined} split 0 to 1. */
  look(strength, split) {
    const cut = (/** @type {number} */ value) => Math.min(1, Math.max(0, value));
    if (strength !== undefined && Number.isFinite(strength)) this.#look.strength = cut(strength);
    if (split !== undefined && Number.isFinite(split)) this.#look.split = cut(split);
    this.#apply();
  }

  /** The canvas has another size: another rung may suit it. */
  resized() {
    clearTimeout(this.#timer);
    if (!this.#shown.name) return;
    this.#timer = setTimeout(() => this.#again(), RESIZED_MS);
  }

  /** Nothing is shown any more. */
  end() {
    clearTimeout(this.#timer);
    this.#gone.abort();
  }

  /** What the governor wishes. @param {number} level Steps down the ladder. */
  govern(level) {
    if (level === this.#level || !this.#shown.name) return;
    this.#level = level;
    this.#again();
  }

  /** A frame was drawn; after the first of a filter, count what is not finite.
   * @returns {number} Calls into Python. */
  drawn() {
    this.#unchecked = Boolean(this.#shown.name);
    return this.#due ? this.rest() : 0;
  }

  /** The view has come to rest: count what is not finite, unless that is known.
   * @returns {number} Calls into Python. */
  rest() {
    if (!this.#unchecked) return 0;
    this.#due = this.#unchecked = false;
    this.#check(this.#shown.name).catch(() => {}); // the device went
    return 1;
  }

  /** @param {string} name */
  async #check(name) {
    const executor = /** @type {Executor} */ (this.#hooks.executor());
    const index = this.#hooks.host().check_filter();
    if (index < 0) return;
    executor.write(FAULTS, 0, new Uint8Array(4));
    executor.run(index, null);
    const [faults] = new Uint32Array(await executor.read(FAULTS, 4));
    if (!faults || this.#shown.name !== name) return;
    const pixels = faults === 1 ? "1 pixel that is" : `${faults} pixels that are`;
    const message = `The filter ${name} made ${pixels} no finite numbers; the splats are shown as they are`;
    await this.choose("");
    this.#hooks.tell({ type: "filter", name: "", message });
  }

  /** The same one, at the size that suits it now. */
  #again() {
    const { name } = this.#shown;
    if (name && name === (this.#wanted ?? name)) {
      this.#put(name).catch((error) => this.#complain(name, error));
    }
  }

  /** What is on from the start is on. */
  #begun() {
    const ready = this.#ready;
    this.#ready = null;
    ready?.(this.#listed.map((item) => ({ ...item, on: item.name === this.#shown.name })));
  }

  /** @param {string} name @param {unknown} error */
  #complain(name, error) {
    this.#begun();
    const reason = error instanceof Error ? error.message : String(error);
    const message = `The filter ${name} is not shown: ${reason}`;
    this.#hooks.tell({ type: "filter", name: this.#shown.name, message });
  }

  #apply() {
    const { name } = this.#shown;
    if (name && this.#hooks.executor()) this.#hooks.host().set_filter(name, this.#look.strength, this.#look.split);
  }

  /** @param {string} name @returns {Promise<void>} */
  #put(name) {
    const done = this.#chain.then(() => this.#swap(name));
    this.#chain = done.catch(() => {});
    return done;
  }

  /** @param {string} name */
  async #swap(name) {
    const from = this.#hooks.executor();
    if (!from || (this.#picked ?? name) !== name) return; // another one is wanted by now
    const host = this.#hooks.host();
    const { width, height } = this.#hooks.size();
    const mode = this.#mode;
    const on = mode ? "" : name;
    /** @type {Choice} */
    const choice = JSON.parse(host.choose_filter(on, width, height, this.#level));
    if (choice.error) throw new Failure("filter", choice.error);
    const shown = this.#shown;
    if (shown.name === on && shown.rung === choice.rung && shown.mode === mode) return;
    const built = await this.#build(from, on, choice, mode).catch((error) => {
      if (this.#hooks.executor() === from) throw error;
    });
    if (!built) return; // the device was lost meanwhile: what comes after it puts this on
    const { made, answer } = built;
    const stale = (this.#picked ?? name) !== name || this.#mode !== mode;
    if (this.#hooks.executor() !== from || stale) return made.drop();
    host.show_filter();
    this.#shown = { name: on, rung: choice.rung, mode };
    if (!mode && !shown.mode && (!name || name !== shown.name)) this.#look.strength = -1;
    this.#due = Boolean(on);
    this.#unchecked = false;
    this.#hooks.swap(made, answer);
    this.#apply();
    this.#begun();
    if (mode) return; // the filter that was on is on again with colours
    const { render, output, levels } = choice;
    const { gpuBytes } = answer.info;
    this.#hooks.tell({ type: "filter", name, render, output, levels, gpuBytes, message: null });
  }

  /** @param {Executor} from @param {string} name @param {Choice} choice @param {string} mode */
  async #build(from, name, choice, mode) {
    const folders = choice.programs.map((folder) => new URL(`${folder}/`, this.#url));
    const found = await Promise.all(folders.map((folder) => fetchProgram(folder, this.#gone.signal)));
    const { text: adapterText } = await this.#hooks.gpu();
    const answer = JSON.parse(mode ? (await this.#hooks.modes()).open_mode(mode, adapterText)
      : this.#hooks.host().open_filter(
        name, choice.rung, JSON.stringify(found.map(({ text }) => text)),
        JSON.stringify(found.map(({ shaders }) => shaders)), adapterText));
    if (answer.error) throw new Failure("filter", answer.error);
    const { device, context, format } = from;
    const made = new Executor(device, answer.plan, context, format, new Map(), from);
    try {
      await Promise.all([made.compile(this.#progress("shaders")), this.#fill(made, answer.files)]);
    } catch (error) {
      made.drop();
      throw error;
    }
    return { made, answer };
  }

  /** Download what the plan's buffers hold, but for those that were taken over.
   * @param {Executor} made @param {Record<string, string>} files */
  async #fill(made, files) {
    const due = made.plan.buffers.filter(({ name, source }) => source && !made.taken.has(name));
    const total = due.reduce((sum, { size_bytes }) => sum + size_bytes, 0);
    const report = this.#progress("scene");
    let loaded = 0;
    await Promise.all(due.map(async ({ name, source, size_bytes }) => {
      const url = new URL(files[/** @type {string} */ (source)], this.#url);
      const bytes = await fetchBytes(url, (length) => report(loaded += length, total), undefined, this.#gone.signal);
      if (bytes.length > size_bytes) throw new Failure("download", `${url.href} is too large.`);
      made.write(name, 0, bytes);
    }));
    if (total) report(total, total); // a file may be shorter than its buffer
  }

  /** Tells how far it is while the scene is being opened.
   * @param {string} stage @returns {(loaded: number, total: number) => void} */
  #progress(stage) {
    return (loaded, total) => {
      if (this.#ready) this.#hooks.tell({ type: "progress", stage, loaded, total });
    };
  }
}
