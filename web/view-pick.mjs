/** What an element can do with places of its scene: pick, focus, measure, annotate. */

import { PlayingElement } from "./view-playing.mjs";

/** @import {Annotation, Point} from "./view-marks.mjs" */
/** @import {Picked, Tool} from "./view-picking.mjs" */

/** Where an element keeps its picking, out of sight of the page. */
export const PICKING = Symbol("picking");

export class PickingElement extends PlayingElement {
  /** Set by the view. @type {import("./view-picking.mjs").Picking} */
  [PICKING] = /** @type {any} */ (null);

  /**
   * What is seen at a place: the nearest splat with which the coverage of the pixel passes half.
   * @param {number} x  CSS pixels from the element's left edge.
   * @param {number} y  CSS pixels from its top edge.
   * @returns {Promise<Picked | null>}  null where the splats cover less than half.
   */
  async pick(x, y) {
    await this.#settled();
    return this[PICKING].pick([x / this.clientWidth, y / this.clientHeight]);
  }

  /** Fly to look at what is seen at a place, in CSS pixels; the middle unless given. @param {number} [x] @param {number} [y] */
  async focusAt(x = this.clientWidth / 2, y = this.clientHeight / 2) {
    await this.#settled();
    return this[PICKING].focus([x / this.clientWidth, y / this.clientHeight]);
  }

  /** What a click does beside the event `pick`: "measure", "note", or nothing. @returns {Tool} */
  get tool() {
    return this[PICKING].tool;
  }

  set tool(tool) {
    this[PICKING].tool = tool;
  }

  /** What is measured: `from`, `to`, `length`, in world units; or null. */
  get measurement() {
    return this[PICKING].measurement;
  }

  /** Show the line between two points of the world; without them there is none. @param {...Point} ends */
  measure(...ends) {
    this[PICKING].measure(ends.slice(0, 2));
    return this[PICKING].measurement;
  }

  /** Labels at points of the world: plain data, to be kept as JSON and to be given back. */
  get annotations() {
    return this[PICKING].annotations;
  }

  set annotations(notes) {
    this[PICKING].annotations = notes;
  }

  /** @param {{position: Point, text: string, id?: string}} note @returns {string} Its id. */
  annotate(note) {
    return this[PICKING].add(note);
  }

  /** @param {string} id @returns {boolean} Whether it was there. */
  removeAnnotation(id) {
    return this[PICKING].remove(id);
  }

  /** @returns {Promise<void>} */
  #settled() {
    return /** @type {any} */ (this).settled();
  }
}
