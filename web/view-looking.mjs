/** What an element can do with its view: the camera, the look, the link. */

import { PICKING, PickingElement } from "./view-pick.mjs";
import { PLAYER } from "./view-playing.mjs";

/** @import {CameraJson, Look, SceneObject} from "./view-protocol.mjs" */

/** Where an element keeps its view, out of sight of the page. */
export const VIEWING = Symbol("viewing");
/** Where it takes how its objects stand. */
export const ARRANGED = Symbol("arranged");

/** @typedef {{seconds?: number}} Flight  0: at once. */

export class LookingElement extends PickingElement {
  /** Set by the element, in its constructor. @type {import("./view-viewing.mjs").Viewing} */
  [VIEWING] = /** @type {any} */ (null);

  /** They stand otherwise now. @param {SceneObject[]} objects  All of them. */
  [ARRANGED](objects) {
    void objects; // of an element that has none
  }

  /** The first camera, as the attribute says it: eye, target and perhaps field of view. */
  get camera() {
    return this.getAttribute("camera") ?? "";
  }

  set camera(text) {
    this.setAttribute("camera", text);
  }

  /** Whether the page's address and the view are kept alike. */
  get hash() {
    return this.hasAttribute("hash");
  }

  set hash(on) {
    this.toggleAttribute("hash", Boolean(on));
  }

  /** What is drawn: "colour", "depth", "normals", "outlines" or "overdraw". */
  get mode() {
    return this.getAttribute("mode") || "colour";
  }

  set mode(mode) {
    this.setAttribute("mode", mode);
  }

  /** Where the camera is, its mode, what moves it, the bookmarks, the path and the look. */
  async getState() {
    return (await this[VIEWING].ask("state")).state;
  }

  /**
   * Go to a camera, smoothly where it takes time; what is not given stays as it is.
   * @param {Partial<CameraJson>} camera
   * @param {Flight} [flight]
   */
  async setCamera({ eye, target, fov }, { seconds } = {}) {
    await this[VIEWING].ask("camera", { eye, target, fov, seconds });
  }

  /**
   * What a drag does, or a turntable.
   * @param {"orbit" | "fly" | "turntable"} mode
   * @param {{speed?: number}} [turn]  Degrees a second; negative turns the other way.
   */
  async setMode(mode, { speed } = {}) {
    await this[VIEWING].ask("mode", { mode, speed });
  }

  /** Keep the camera. @param {string} [name] @returns {Promise<string>} The name that it got. */
  async addBookmark(name) {
    return (await this[VIEWING].ask("add", { name })).value;
  }

  /** Fly to a bookmark. @param {number} index @param {Flight} [flight] */
  async goTo(index, { seconds } = {}) {
    await this[VIEWING].ask("go", { index, seconds });
  }

  /** @param {number} index @param {string} name */
  async renameBookmark(index, name) {
    await this[VIEWING].ask("rename", { index, name });
  }

  /** @param {number} index */
  async deleteBookmark(index) {
    await this[VIEWING].ask("delete", { index });
  }

  /**
   * Go along the path through the bookmarks.
   * @param {{seconds?: number, loop?: boolean}} [path]  Of the whole path.
   */
  async playPath({ seconds, loop } = {}) {
    await this[VIEWING].ask("path", { seconds, loop, play: true });
  }

  /** End a flight, the path or the turntable where it is. */
  async stop() {
    await this[VIEWING].ask("stop");
  }

  /**
   * How the scene is drawn; null gives back what the scene says, what is not given stays.
   * @param {Partial<{[K in keyof Look]: Look[K] | null}> | {background?: string}} look  A background is
   *   "#rrggbb" or three numbers from 0 to 1.
   */
  async setLook(look) {
    await this[VIEWING].ask("look", look);
  }

  /**
   * A picture of the view as a file.
   * @param {{width?: number, height?: number, type?: string, quality?: number, transparent?: boolean}} [picture]
   *   Pixels, the canvas's unless given; PNG unless told; without the background.
   */
  screenshot(picture) {
    return this[VIEWING].picture(picture);
  }

  /**
   * A film of the turntable, the path or the clip as a file, WebM or MP4.
   * @param {Parameters<import("./view-viewing.mjs").Viewing["film"]>[0]} [film]
   */
  record(film) {
    return this[VIEWING].film(film);
  }

  /** The page's address with the view in it. */
  link() {
    return this[VIEWING].link();
  }
}

/**
 * Do what a link says beside the view.
 * @param {LookingElement} element
 * @param {import("./view-viewing.mjs").Opened} opened
 * @returns {Promise<unknown>[]}
 */
export function follow(element, { time, playing, filter, look, inputs, show, notes, objects }) {
  if (show && show !== element.mode) element.mode = show;
  element[PICKING].linked(notes ?? []);
  element[ARRANGED](objects ?? []);
  const player = element[PLAYER];
  if (typeof time === "number") player.seek(time);
  if (typeof playing === "boolean" && !(playing && player.still)) player.play(playing);
  const given = Object.entries(inputs ?? {});
  const set = (/** @type {[string, number[] | null][]} */ some) =>
    Promise.all(some.map(([name, values]) => element.setInput(name, values)));
  // what is given back may be an input of the filter that goes, what is set one of the filter that comes
  const left = set(given.filter(([, values]) => values === null));
  const filtered = typeof filter === "string" || Object.keys(look ?? {}).length > 0;
  const chosen = left.then(() => (filtered ? element.setFilter(filter ?? element.filter, look) : undefined));
  return [chosen.then(() => set(given.filter(([, values]) => values !== null)))];
}

/** Attributes of the look, and what they are called in one. */
const LOOKS = /** @type {const} */ ([
  ["background", "background", String],
  ["sh-degree", "shDegree", Number],
  ["splat-scale", "splatScale", Number],
  ["antialiasing", "antialiasing", String],
]);
export const VIEW_ATTRIBUTES = ["camera", "camera-mode", "hash", "mode", ...LOOKS.map(([name]) => name)];

/**
 * What the attributes ask of the view, or one of them.
 * @param {Element} element
 * @param {string} [only]
 * @returns {Record<string, unknown>[]}
 */
export function viewWishes(element, only) {
  const wishes = [];
  const said = (/** @type {string} */ name) =>
    !only || only === name ? element.getAttribute(name) : null;
  const look = Object.fromEntries(LOOKS.flatMap(([name, key, read]) => {
    const text = said(name);
    return text === null && only !== name ? [] : [[key, text === null ? null : read(text)]];
  }));
  if (Object.keys(look).length) wishes.push({ do: "look", ...look });
  const camera = said("camera");
  if (camera) {
    const numbers = camera.trim().split(/[\s,]+/).map(Number);
    const [eye, target, fov] = [numbers.slice(0, 3), numbers.slice(3, 6), numbers[6]];
    wishes.push({ do: "camera", eye, target, fov, first: true });
  }
  const drawn = said("mode");
  if (drawn !== null || only === "mode") wishes.push({ do: "render", mode: drawn ?? "" });
  const [mode, speed] = said("camera-mode")?.trim().split(/\s+/) ?? [];
  if (mode) wishes.push({ do: "mode", mode, speed: speed === undefined ? undefined : Number(speed) });
  return wishes;
}
