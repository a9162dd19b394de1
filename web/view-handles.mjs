/**
 * The handles of an object for the keyboard and for screen readers: a control for each, where the one
 * that is drawn has its end. Arrow keys move it, with Shift by a tenth; Escape gives the focus back.
 */

import { make } from "./view-parts.mjs";

/** @import {Placement} from "./view-protocol.mjs" */

/**
 * @typedef {object} HandleHooks
 * @property {(handle: string, right: number, up: number) => void} nudge  Steps by arrow keys.
 * @property {(handle: string, on: boolean) => void} aim  It has the focus, or no longer.
 * @property {() => void} leave
 */

const FINE = 0.1;
const DEGREES = 180 / Math.PI;
/** How far from the edge of the canvas a control is kept, CSS pixels. */
const EDGE_PX = 14;
/** @type {Record<string, [number, number]>} */
const ARROWS = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
const AXES = ["x", "y", "z"];
/** Smallest and largest value of what a handle does; pyengine/object_spec.py. @type {Record<string, [number, number]>} */
const RANGES = { move: [-1e9, 1e9], turn: [-180, 180], scale: [1e-6, 1e6] };

const CSS = `
.handles { position: absolute; inset: 0; overflow: clip; pointer-events: none; }
.handles [role="slider"] { position: absolute; left: 0; top: 0; width: 26px; height: 26px; margin: -13px; border-radius: 50%;
  outline: none; }
.handles [role="slider"]:focus-visible { outline: 2px solid #fff; box-shadow: 0 0 0 4px rgb(0 0 0 / 0.6); }
`;

/** @type {CSSStyleSheet | null} */
let sheet = null;

export class Handles {
  element = make("div", "handles");
  #hooks;
  /** @type {Map<string, HTMLElement>} */
  #controls = new Map();

  /** @param {ShadowRoot} root @param {HandleHooks} hooks */
  constructor(root, hooks) {
    this.#hooks = hooks;
    if (!sheet) {
      sheet = new CSSStyleSheet();
      sheet.replaceSync(CSS);
    }
    root.adoptedStyleSheets = [...root.adoptedStyleSheets, sheet];
    this.element.setAttribute("role", "group");
    this.element.hidden = true;
    this.#control("move", "Move across the view");
    for (const axis of AXES) this.#control(`move.${axis}`, `Move along ${axis}`);
    for (const axis of AXES) this.#control(`turn.${axis}`, `Turn about ${axis}`);
    this.#control("scale", "Scale");
  }

  /** Whether one of them has the focus. */
  get focused() {
    return this.element.matches(":focus-within");
  }

  focus() {
    /** @type {HTMLElement | null} */ (this.element.querySelector("[tabindex]"))?.focus({ preventScroll: true });
  }

  /** What they say. @param {Placement} placement @param {string} name  Of the object. */
  show(placement, name) {
    this.element.setAttribute("aria-label", `Handles of ${name}`);
    for (const [handle, control] of this.#controls) {
      const [value, text] = told(handle, placement);
      control.ariaValueNow = short(value);
      control.ariaValueText = text;
    }
  }

  /** Where one is: CSS pixels. @param {string} handle @param {number[]} place @param {number} width @param {number} height */
  put(handle, [x, y], width, height) {
    const kept = (/** @type {number} */ at, /** @type {number} */ size) =>
      Math.max(EDGE_PX, Math.min(at, size - EDGE_PX)).toFixed(1);
    const control = this.#controls.get(handle);
    if (control) control.style.transform = `translate(${kept(x, width)}px, ${kept(y, height)}px)`;
  }

  /** @param {string} handle @param {string} label */
  #control(handle, label) {
    const control = make("div", "");
    const [least, most] = RANGES[handle.split(".")[0]];
    control.tabIndex = 0;
    control.dataset.control = handle;
    for (const [name, value] of Object.entries({
      "role": "slider", "aria-label": label, "aria-roledescription": "handle",
      "aria-valuemin": least, "aria-valuemax": most, "aria-valuenow": 0,
    })) control.setAttribute(name, String(value));
    control.addEventListener("focus", () => this.#hooks.aim(handle, true));
    control.addEventListener("blur", () => this.#hooks.aim(handle, false));
    control.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const arrow = ARROWS[event.key];
      if (arrow) {
        const step = event.shiftKey ? FINE : 1;
        this.#hooks.nudge(handle, arrow[0] * step, arrow[1] * step);
      } else if (event.key === "Escape") this.#hooks.leave();
      else return;
      event.preventDefault(); // the element's own keys leave it alone then
    });
    this.#controls.set(handle, control);
    this.element.append(control);
  }
}

/** Of what a handle does the value, as a number and in words. @param {string} handle @param {Placement} placement @returns {[number, string]} */
function told(handle, { position, rotation, scale }) {
  const [what, letter] = handle.split(".");
  const axis = AXES.indexOf(letter);
  if (what === "scale") {
    const alike = scale.every((value) => value === scale[0]);
    return [scale[0], alike ? short(scale[0]) : scale.map(short).join(", ")];
  }
  if (what === "turn") {
    const degrees = turned(rotation)[axis] * DEGREES;
    return [degrees, `${Number(degrees.toFixed(1))}°`];
  }
  return axis < 0 ? [position[0], position.map(short).join(", ")] : [position[axis], short(position[axis])];
}

/** A rotation as a vector: its axis times its angle, radians. @param {readonly number[]} rotation  x, y, z, w. */
function turned([x, y, z, w]) {
  const sine = Math.hypot(x, y, z);
  const angle = 2 * Math.atan2(sine, Math.abs(w)) * (w < 0 ? -1 : 1);
  return [x, y, z].map((part) => (sine ? (part / sine) * angle : 0));
}

/** Four digits. @param {number} value */
const short = (value) => String(Number(value.toPrecision(4)));
