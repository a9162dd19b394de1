/** The panel's choice of what is drawn of the splats, with a legend of its colours. */

import { field, make, picker } from "./view-parts.mjs";

/** Values, names, and what their colours mean: pyengine/passes/modes.py. @type {[string, string, string][]} */
const MODES = [
  ["colour", "Colours", ""],
  ["depth", "Depth", "Bright is near; the middle of the map is as far as the first camera's target."],
  ["normals", "Normals", "Red to the right, green up, blue towards the camera."],
  ["outlines", "Outlines", "The edge of each splat, where its alpha falls under 1/255."],
  ["overdraw", "Overdraw", "Splats blended into a pixel: black 0, red 6, yellow 40, white 255 or more."],
];

export class ModePart {
  #picker;
  #legend = make("p", "legend");
  element;

  /** @param {(mode: string) => void} choose */
  constructor(choose) {
    this.#picker = picker(MODES.map(([mode, name]) => [mode, name]), choose);
    this.#picker.setAttribute("aria-keyshortcuts", "V");
    this.#legend.hidden = true;
    this.element = make("div", "modes", field("Show", this.#picker), this.#legend);
  }

  /** @param {string} mode */
  show(mode) {
    this.#picker.value = mode;
    this.#legend.textContent = legendOf(mode);
    this.#legend.hidden = !this.#legend.textContent;
  }
}

/** What the colours of a mode mean; empty for colours. @param {string} mode */
export const legendOf = (mode) => MODES.find(([name]) => name === mode)?.[2] ?? "";

/** The mode after another one. @param {string} mode */
export function nextMode(mode) {
  const index = MODES.findIndex(([name]) => name === mode);
  return MODES[(index + 1) % MODES.length][0];
}
