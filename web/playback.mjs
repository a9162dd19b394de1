// What a generator plays, on the worker's side: the messages about its timeline and its inputs, and
// the clock that the element is told. Python's side is pyengine/hosts/page.py.

import { Feeds } from "./feeds.mjs";

/**
 * @typedef {{play: Function, seek: Function, set_speed: Function, set_loop: Function,
 *   reset_state: Function} & import("./feeds.mjs").Host} Host Of pyengine/hosts/page.py.
 * @typedef {import("./view-protocol.mjs").Feed} Feed
 * @typedef {object} Hooks
 * @property {() => Host | null} host
 * @property {(begins: boolean) => void} resume Ask for a frame; whether time begins with it.
 * @property {(message: Record<string, unknown>) => void} tell
 */

const NOTHING = { changed: false, calls: 0 };

export class Playback {
  #hooks;
  /** @type {Feeds | null} */
  #feeds = null;
  /** The last clock that the element was told. */
  #told = "";

  /** @param {Hooks} hooks */
  constructor(hooks) {
    this.#hooks = hooks;
  }

  /** Another scene is shown. @param {Host} host @param {Feed[] | undefined} feeds Of its generator. */
  begin(host, feeds) {
    const before = this.#feeds;
    before?.release();
    this.#feeds = feeds ? new Feeds(host, feeds) : null;
    if (this.#feeds) this.#feeds.goOn(before);
    else before?.refuse(this.#answer);
  }

  /** Nothing is shown any more. */
  end() {
    this.#feeds?.release();
    this.#feeds = null;
  }

  /** Of all inputs; null where no generator is. */
  get bytes() {
    return this.#feeds?.bytes ?? null;
  }

  /** Write what came since the last frame. */
  flush() {
    return this.#feeds?.flush(this.#answer) ?? NOTHING;
  }

  /** Tell the element where the clip is, if that is news; whether it goes on by itself. */
  tellClock() {
    if (!this.#feeds) return false;
    const { clock } = this.#feeds;
    const text = JSON.stringify(clock);
    if (text !== this.#told) this.#hooks.tell({ type: "clock", ...clock });
    this.#told = text;
    return clock.playing && this.#feeds.runs;
  }

  /** Of the element's messages. @type {Record<string, (message: any) => void>} */
  handlers = {
    play: ({ on }) => this.#change((host) => host.play(on), true),
    seek: ({ time }) => this.#change((host) => host.seek(time)),
    speed: ({ speed }) => this.#change((host) => host.set_speed(speed)),
    loop: ({ on }) => this.#change((host) => host.set_loop(on)),
    restart: () => this.#change((host) => host.reset_state()),
    set: ({ name, values, id }) => {
      const host = this.#hooks.host();
      if (this.#feeds) this.#feeds.set(name, values, id);
      else this.#answer(id, host ? host.set_input(name, JSON.stringify(values)) : "no scene is loaded");
      this.#hooks.resume(false);
    },
    image: ({ name, bitmap }) => {
      if (this.#feeds) this.#feeds.show(name, bitmap);
      else bitmap.close();
      this.#hooks.resume(false);
    },
    bands: ({ name, bands }) => {
      this.#feeds?.hear(name, bands);
      this.#hooks.resume(false);
    },
    pointer: ({ x, y, pressed }) => {
      this.#feeds?.point(x, y, pressed);
      this.#hooks.resume(false);
    },
  };

  /** @param {number} id @param {string} error */
  #answer = (id, error) => this.#hooks.tell({ type: "set", id, error: error || null });

  /** Do something to the generator's engine before the next frame.
   * @param {(host: Host) => void} act @param {boolean} begins */
  #change(act, begins = false) {
    const host = this.#hooks.host();
    if (!this.#feeds || !host) return;
    act(host);
    this.#hooks.resume(begins);
  }
}
