// Picking, on the worker's side: a plan of its own beside the one that draws, made at the first click
// and replayed at each, with four bytes read back; labels are looked at many at a time. Python's side is
// pyengine/hosts/page_pick.py.

import { Executor } from "./executor.mjs";
import { Failure } from "./loading.mjs";

const AT = "pick.at";
const FOUND = "pick.found";
/** Schedules: one place, or as many as the plan takes. */
const PICK = 0, PROBE = 1;
/** A place in the plan's buffer: x, y, and two numbers that nobody reads. */
const NUMBERS = 4;

/**
 * @typedef {{open_pick: (adapter: string) => string, aim: (x: number, y: number) => void,
 *   found: (word: number) => string, places: (points: string) => string,
 *   hidden: (words: string) => string}} Host Of pyengine/hosts/page_pick.py.
 * @typedef {object} Hooks
 * @property {() => Promise<Host>} host
 * @property {() => Promise<import("./gpu.mjs").Given>} gpu
 * @property {() => Executor | null} executor That is shown.
 * @property {(message: Record<string, unknown>) => void} tell
 */

export class Picks {
  #hooks;
  /** What picks, what it was made beside, and how many places it takes.
   * @type {{from: Executor, made: Executor, points: number} | null} */
  #built = null;
  /** One after the other: they share what they write and read. @type {Promise<unknown>} */
  #chain = Promise.resolve();

  /** @param {Hooks} hooks */
  constructor(hooks) {
    this.#hooks = hooks;
  }

  /** Of the element's messages. @type {Record<string, (message: any) => void>} */
  handlers = {
    pick: ({ x, y, id }) => this.#answer(id, async () => {
      const { host, made } = await this.#ready();
      host.aim(x, y);
      const [word] = await this.#words(made, PICK, [[x, y]]);
      return JSON.parse(host.found(word));
    }),
    probe: ({ points, id }) => this.#answer(id, () => this.#probe(points)),
  };

  /** What it was made beside is shown no more. */
  end() {
    this.#built?.made.drop();
    this.#built = null;
  }

  /** @param {number} id @param {() => Promise<unknown>} work */
  #answer(id, work) {
    this.#chain = this.#chain.then(work).then(
      (value) => this.#hooks.tell({ type: "told", id, error: null, value, state: null }),
      (error) => this.#hooks.tell({ type: "told", id, error: error.message ?? String(error) }),
    );
  }

  /** Of each point whether something hides it, and null where it is not on the canvas.
   * @param {number[][]} points */
  async #probe(points) {
    /** @type {(boolean | null)[]} */
    const hidden = [];
    while (hidden.length < points.length) {
      const { host, made, points: most } = await this.#ready();
      const some = points.slice(hidden.length, hidden.length + most);
      const places = JSON.parse(host.places(JSON.stringify(some)));
      if (places.error) throw new Failure("view", places.error);
      const shown = places.filter(Boolean);
      const none = Array.from({ length: most - shown.length }, () => [-1, 0]);
      const words = shown.length ? await this.#words(made, PROBE, [...shown, ...none]) : [];
      const told = JSON.parse(host.hidden(JSON.stringify(Array.from(words).slice(0, shown.length))));
      hidden.push(...places.map((/** @type {unknown} */ place) => place ? told.shift() : null));
    }
    return hidden;
  }

  /** What is found at places. @param {Executor} made @param {number} schedule @param {number[][]} places */
  async #words(made, schedule, places) {
    const at = new Float32Array(NUMBERS * places.length);
    places.forEach(([x, y], i) => at.set([x, y], NUMBERS * i));
    made.write(AT, 0, new Uint8Array(at.buffer));
    made.run(schedule, null);
    return new Uint32Array(await made.read(FOUND, 4 * places.length));
  }

  /** The host and the plan, which is made anew where another one is drawn by now. */
  async #ready() {
    const host = await this.#hooks.host();
    for (;;) {
      const from = this.#hooks.executor();
      if (!from) throw new Failure("view", "The scene is not loaded yet.");
      if (this.#built?.from === from) return { host, ...this.#built };
      this.end();
      const built = await this.#build(host, from);
      if (this.#hooks.executor() === from) this.#built = built;
      else built.made.drop();
    }
  }

  /** @param {Host} host @param {Executor} from */
  async #build(host, from) {
    const { text } = await this.#hooks.gpu();
    const answer = JSON.parse(host.open_pick(text));
    if (answer.error) throw new Failure("view", answer.error);
    const made = new Executor(from.device, answer.plan, null, from.format, new Map(), from);
    try {
      await made.compile(() => {});
      made.resize(1, 1);
    } catch (error) {
      made.drop();
      throw error;
    }
    return { from, made, points: /** @type {number} */ (answer.points) };
  }
}
