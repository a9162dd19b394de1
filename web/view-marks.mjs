/**
 * What is laid over the scene at places of the world: a measured line, labels, a crosshair. It
 * follows the camera by the numbers that the worker tells of each frame; there is no call for it.
 */

import { make } from "./view-parts.mjs";

/** @typedef {[number, number, number]} Point */
/** @import {Seen} from "./view-protocol.mjs" */
/** @typedef {{id: string, position: Point, text: string}} Annotation */
/** @typedef {{note: Annotation, element: HTMLElement}} Label */

/** Nothing nearer to the camera is drawn. */
const NEAR = 0.01;
const SVG = "http://www.w3.org/2000/svg";

const CSS = `
.pins { position: absolute; inset: 0; pointer-events: none; overflow: hidden; }
.pins svg { position: absolute; inset: 0; width: 100%; height: 100%; }
.pins line { stroke: var(--accent); stroke-width: 2; stroke-linecap: round; }
.pins line.under { stroke: rgb(0 0 0 / 0.6); stroke-width: 4; }
.pins circle { fill: var(--accent); stroke: rgb(0 0 0 / 0.6); stroke-width: 1.5; }
.pins .label { position: absolute; left: 0; top: 0; max-width: min(240px, 60%); padding: 3px 9px; border-radius: 9px;
  background: var(--panel); border: 1px solid var(--line); overflow-wrap: anywhere; white-space: pre-wrap;
  transition: opacity 220ms ease; will-change: transform; }
.pins .label.behind { opacity: 0.12; }
.pins .label::before { content: ""; position: absolute; left: -12.5px; top: 50%; width: 7px; height: 7px;
  margin-top: -3.5px; border-radius: 50%; background: var(--accent); }
.pins .length { font-variant-numeric: tabular-nums; }
.pins .length::before { content: none; }
.pins .cross { position: absolute; left: 50%; top: 50%; width: 21px; height: 21px; margin: -10.5px;
  background: linear-gradient(#fff, #fff) center / 1px 100% no-repeat, linear-gradient(#fff, #fff) center / 100% 1px no-repeat;
  mix-blend-mode: difference; }
.pins form { position: absolute; left: 50%; bottom: 64px; transform: translateX(-50%); pointer-events: auto; }
.pins input { font: inherit; color: inherit; width: 240px; padding: 7px 10px; border-radius: 9px;
  background: var(--panel); border: 1px solid var(--accent); user-select: text; -webkit-user-select: text; }
`;

/** @type {CSSStyleSheet | null} */
let sheet = null;

export class Marks {
  element = make("div", "pins");
  #svg = document.createElementNS(SVG, "svg");
  #length = make("div", "label length");
  #cross = make("div", "cross");
  /** @type {Label[]} */
  #labels = [];
  /** @type {Point[]} */
  #ends = [];
  /** @type {Seen | null} */
  #drawn = null;

  /** @param {HTMLElement} stage */
  constructor(stage) {
    const root = /** @type {ShadowRoot} */ (stage.getRootNode());
    if (!sheet) {
      sheet = new CSSStyleSheet();
      sheet.replaceSync(CSS);
    }
    root.adoptedStyleSheets = [...root.adoptedStyleSheets, sheet];
    this.#svg.setAttribute("aria-hidden", "true");
    this.#length.setAttribute("role", "status");
    this.#length.hidden = this.#cross.hidden = true;
    this.element.append(this.#svg, this.#cross, this.#length);
    stage.after(this.element);
  }

  /** Whether anything has to follow the camera. */
  get any() {
    return this.#labels.length + this.#ends.length > 0;
  }

  /** @param {boolean} on */
  set aiming(on) {
    this.#cross.hidden = !on;
  }

  /** One end of a line, or both; none takes it away. @param {Point[]} ends @param {string} text */
  measured(ends, text) {
    this.#ends = ends;
    this.#length.textContent = text;
    this.#lay();
  }

  /** @param {Annotation[]} notes */
  annotated(notes) {
    for (const { element } of this.#labels) element.remove();
    this.#labels = notes.map((note) => {
      const element = make("div", "label", note.text);
      element.setAttribute("role", "note");
      element.hidden = true;
      this.element.append(element);
      return { note, element };
    });
    this.#lay();
  }

  /** Which labels something hides, in the order of the annotations. @param {(boolean | null)[]} hidden */
  hide(hidden) {
    this.#labels.forEach(({ element }, i) => element.classList.toggle("behind", Boolean(hidden[i])));
  }

  /** A frame was drawn from there. @param {Seen} drawn */
  follow(drawn) {
    this.#drawn = drawn;
    this.#lay();
  }

  #lay() {
    const drawn = this.#drawn;
    if (!drawn) return;
    for (const { note, element } of this.#labels) this.#put(element, seen(drawn, note.position), "9px, -50%");
    this.#line(drawn);
  }

  /** @param {HTMLElement} element @param {Point} at In the camera's space, or on the canvas. @param {string} shift */
  #put(element, at, shift) {
    const place = at[2] > NEAR ? onCanvas(/** @type {Seen} */ (this.#drawn), at) : null;
    element.hidden = !place || place.some((share) => share < 0 || share > 1);
    if (!place || element.hidden) return;
    const { clientWidth, clientHeight } = this.element;
    const [x, y] = [place[0] * clientWidth, place[1] * clientHeight];
    element.style.transform = `translate(${x.toFixed(1)}px, ${y.toFixed(1)}px) translate(${shift})`;
  }

  /** @param {Seen} drawn */
  #line(drawn) {
    const ends = this.#ends.map((end) => seen(drawn, end));
    const cut = clipped(ends);
    const { clientWidth, clientHeight } = this.element;
    const places = cut.map((end) => onCanvas(drawn, end)).map(([x, y]) => [x * clientWidth, y * clientHeight]);
    const shapes = [];
    if (places.length === 2) {
      const [[x1, y1], [x2, y2]] = places;
      shapes.push(shape("line", { class: "under", x1, y1, x2, y2 }), shape("line", { x1, y1, x2, y2 }));
    }
    ends.forEach((end) => {
      if (end[2] <= NEAR) return;
      const [x, y] = onCanvas(drawn, end);
      shapes.push(shape("circle", { cx: x * clientWidth, cy: y * clientHeight, r: 4 }));
    });
    this.#svg.replaceChildren(...shapes);
    this.#length.hidden = true;
    if (cut.length === 2) this.#put(this.#length, middle(drawn, cut), "-50%, -50%");
  }
}

/** A point in the camera's space: x right, y down, z forward. @param {Seen} drawn @param {Point} point @returns {Point} */
function seen({ view: m }, [x, y, z]) {
  const row = (/** @type {number} */ i) => m[i] * x + m[4 + i] * y + m[8 + i] * z + m[12 + i];
  return [row(0), row(1), row(2)];
}

/** Shares of the canvas. @param {Seen} drawn @param {Point} at */
function onCanvas({ lens: [fx, fy, cx, cy, width, height] }, [x, y, z]) {
  return [(fx * x / z + cx) / width, (fy * y / z + cy) / height];
}

/** A line without what is behind the camera. @param {Point[]} ends @returns {Point[]} */
function clipped(ends) {
  const [a, b] = ends;
  if (ends.length < 2 || (a[2] <= NEAR && b[2] <= NEAR)) return [];
  const cut = (/** @type {Point} */ p, /** @type {Point} */ q) => {
    if (p[2] > NEAR) return p;
    const t = (NEAR * 1.01 - p[2]) / (q[2] - p[2]);
    return /** @type {Point} */ (p.map((value, i) => value + t * (q[i] - value)));
  };
  return [cut(a, b), cut(b, a)];
}

/** Of a line on the canvas, as a point in the camera's space at depth 1. @param {Seen} drawn @param {Point[]} line @returns {Point} */
function middle(drawn, line) {
  const [[x1, y1], [x2, y2]] = line.map((end) => onCanvas(drawn, end));
  const [fx, fy, cx, cy, width, height] = drawn.lens;
  return [((x1 + x2) / 2 * width - cx) / fx, ((y1 + y2) / 2 * height - cy) / fy, 1];
}

/** @param {string} tag @param {Record<string, string | number>} attributes */
function shape(tag, attributes) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
  return made;
}
