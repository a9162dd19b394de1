/** The panel's part for how the scene is drawn: background, SH degree, size of splats, anti-aliasing. */

import { Dials } from "./view-dials.mjs";
import { checkbox, field, hex, iconButton, make, picker, section } from "./view-parts.mjs";

/** @import {SceneInfo, ViewState} from "./view-protocol.mjs" */
/** @import {Do} from "./view-camera.mjs" */

const SIZE = { label: "Splat size", min: 0, max: 2, default: 1 };
const NONE = { kind: () => null, pick: () => {}, camera: () => {}, microphone: () => {} };

export class PicturePart {
  #colour = make("input", "colour");
  #degree;
  #degreeRow;
  #aliasing;
  #size;
  /** Whether the statistics are shown; the element's interface turns them on. */
  stats = checkbox("Statistics");

  /** @param {Do} act */
  constructor(act) {
    this.#colour.type = "color";
    this.#colour.setAttribute("aria-label", "Background");
    this.#colour.addEventListener("input", () => act("look", { background: this.#colour.value }));
    const reset = iconButton("reset", "The scene's own background", () => act("look", { background: null }));
    this.#degree = picker([], (degree) => act("look", { shDegree: Number(degree) }));
    this.#degreeRow = field("Colour by direction", this.#degree);
    this.#degree.title = "Degree of the spherical harmonics";
    this.#aliasing = picker([["classic", "Classic"], ["mip", "Mip"]], (antialiasing) =>
      act("look", { antialiasing }));
    this.#aliasing.title = "Mip suits scenes that were trained with it";
    this.#size = new Dials({ ...NONE, turn: (_, splatScale) => act("look", { splatScale }) });
    const feed = { name: "size", role: "control", control: SIZE };
    this.#size.describe(/** @type {any[]} */ ([feed]));
    const background = make("div", "field", make("span", "", "Background"), reset, this.#colour);
    this.element = section(
      "Picture", background, this.#degreeRow, field("Anti-aliasing", this.#aliasing), this.#size.body,
      this.stats.row);
  }

  /** Another scene. @param {SceneInfo} info */
  begin({ shDegree }) {
    const degrees = Array.from({ length: shDegree + 1 }, (_, degree) => degree);
    this.#degree.replaceChildren(...degrees.map((degree) =>
      new Option(degree ? `Degree ${degree}` : "Off", String(degree))));
    this.#degreeRow.hidden = !shDegree;
  }

  /** @param {ViewState} state */
  show({ look }) {
    this.#colour.value = hex(look.background);
    this.#degree.value = String(look.shDegree);
    this.#aliasing.value = look.antialiasing;
    this.#size.show("size", look.splatScale);
  }
}
