/** What an element can do with a scene that a network makes: play it and feed its inputs. */

import { ReflectingElement } from "./view-attributes.mjs";

/** @import {Player} from "./view-player.mjs" */

/** Where an element keeps its player and its filters, out of sight of the page. */
export const PLAYER = Symbol("player");
export const FILTER = Symbol("filter");

/** As pyengine.timeline.MAX_SPEED. */
const MAX_SPEED = 100;

export class PlayingElement extends ReflectingElement {
  /** Set by the element, in its constructor. @type {Player} */
  [PLAYER] = /** @type {any} */ (null);

  /** @type {import("./view-filter.mjs").FilterControls} */
  [FILTER] = /** @type {any} */ (null);

  /** Name of the filter that is on; empty where none is. A new value picks one, as `setFilter`. */
  get filter() {
    return this[FILTER].name;
  }

  set filter(name) {
    this.setAttribute("filter", name || "none");
  }

  /**
   * Let the picture go through a filter of the scene.
   * @param {string | null} name  Empty, null or "none": the splats as they are.
   * @param {{strength?: number, split?: number}} [look]  0 to 1 both: how much of the filter is
   *   shown, and the share of the width, from the left, that is shown as it was.
   * @returns {Promise<void>}  When it is on; rejects with the code `filter` when it cannot be.
   */
  async setFilter(name, look) {
    await this[PLAYER].begun();
    return this[FILTER].set(name, look);
  }

  /** Seconds into the clip. A new value is gone to, as by `seek`. */
  get time() {
    return this[PLAYER].clock.time;
  }

  set time(time_s) {
    this.seek(time_s);
  }

  /** Seconds; Infinity where there is no clip. */
  get duration() {
    return this[PLAYER].duration;
  }

  get paused() {
    return !this[PLAYER].clock.playing;
  }

  /** Times real time; negative is backwards. */
  get speed() {
    return this[PLAYER].speed;
  }

  set speed(speed) {
    this.setAttribute("speed", String(speed));
  }

  /** Whether the clip begins again at its end. */
  get loop() {
    return this[PLAYER].loops;
  }

  set loop(on) {
    this.setAttribute("loop", on ? "" : "false");
  }

  /** Let time go on; where nothing is loaded yet, when it is. */
  play() {
    this[PLAYER].play(true);
  }

  pause() {
    this[PLAYER].play(false);
  }

  /**
   * Go to a time of the clip, playing or not.
   * @param {number} time_s
   */
  seek(time_s) {
    this[PLAYER].seek(Number(time_s));
  }

  /** Time 0, and the first state of a generator that has one. */
  restart() {
    this[PLAYER].restart();
  }

  /**
   * Give an input, of the generator or of the filter that is on, its values: as many as one instance takes, or as all do. null gives it back to
   * what fills it otherwise: its default, a track, the clock or the camera.
   * @param {string} name
   * @param {number | ArrayLike<number> | null} values
   * @returns {Promise<void>}  Rejects with the code `input` when it does not take them.
   */
  async setInput(name, values) {
    await this[PLAYER].begun();
    const filtered = this[FILTER].has(name) && !this[PLAYER].has(name);
    return (filtered ? this[FILTER] : this[PLAYER]).setInput(name, values);
  }

  /**
   * Show an image input a picture; it covers the input's size.
   * @param {string} name
   * @param {ImageBitmapSource | string | URL} source  A string is a URL.
   * @returns {Promise<void>}  Rejects with the code `media` when it is no picture.
   */
  setImage(name, source) {
    return this[PLAYER].setImage(name, source);
  }

  /**
   * Feed an image input from the camera, until `release`.
   * @param {string} [name]  The first one unless given.
   * @returns {Promise<void>}  Rejects with the code `media` when there is none or it is not allowed.
   */
  useCamera(name) {
    return this[PLAYER].useCamera(name);
  }

  /**
   * Feed an input of sound from the microphone, until `release`.
   * @param {string} [name]
   * @returns {Promise<void>}
   */
  useMicrophone(name) {
    return this[PLAYER].useMicrophone(name);
  }

  /**
   * Feed an input of sound from what an element plays, until `release`; it stays audible.
   * @param {string | undefined} name
   * @param {HTMLMediaElement} element
   * @returns {Promise<void>}
   */
  useAudio(name, element) {
    return this[PLAYER].useAudio(name, element);
  }

  /** End what `useCamera`, `useMicrophone` or `useAudio` began. @param {string} name */
  release(name) {
    this[PLAYER].release(name);
  }
}

/**
 * What the attributes ask for.
 * @param {PlayingElement} element
 */
export function wishes(element) {
  const speed = parseFloat(element.getAttribute("speed") ?? "1");
  const loop = element.getAttribute("loop");
  return {
    autoplay: element.autoplay,
    speed: Number.isFinite(speed) ? Math.min(MAX_SPEED, Math.max(-MAX_SPEED, speed)) : 1,
    loop: loop === null ? null : loop !== "false",
  };
}

/** Put on the filter that the attribute names; without one the scene's own stays.
 * @param {PlayingElement} element @param {import("./view-session.mjs").Session | null} session
 * @param {(message: string) => void} complain */
export function pickFilter(element, session, complain) {
  const name = element.getAttribute("filter");
  if (name === null || !session) return;
  session.setFilter(name === "none" ? "" : name, {}).catch((error) => {
    if (error.code === "filter") complain(error.message);
  });
}
