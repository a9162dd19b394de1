/**
 * The handles that are laid over an object: arrows along the axes, rings about them, a knob that moves
 * it across the view, a circle that scales it. They follow the camera by the numbers that the worker
 * tells of each frame. What a drag or a key does is Python's: pyengine/gizmo.py.
 */

import { Handles } from "./view-handles.mjs";

/** @import {Placement, Seen} from "./view-protocol.mjs" */

/** @typedef {[number, number, number]} Point */
/** @typedef {[number, number]} Place  0 to 1 from the canvas's top left corner. */
/** @typedef {Pick<Placement, "position" | "rotation" | "scale">} Start */
/** @typedef {{handle: string, start: Start, from: Place, to: Place, busy: boolean, end: () => void}} Held */
/**
 * @typedef {object} GizmoHooks  What was asked of the object; the placement that it has then.
 * @property {(handle: string, start: Start, from: Place, to: Place) => Promise<Placement>} drag
 * @property {(handle: string, steps: [number, number]) => Promise<Placement>} nudge  By keys: right, up.
 */

const SVG = "http://www.w3.org/2000/svg";
/** As pyengine.gizmo.RADIUS_SHARE: radius of the rings, a share of the canvas's shorter side. */
const RADIUS_SHARE = 0.14;
/** Of that radius: an arrow, and the circle that scales. */
const ARROW = 1.25;
const CIRCLE = 1.5;
/** Where on its line a handle has its control: a ring towards the right, the circle at the lower right. */
const ON_LINE = 6;
const CORNERS = 48;
/** Nothing nearer to the camera is drawn. */
const NEAR = 0.01;
const AXES = /** @type {const} */ ([["x", [1, 0, 0]], ["y", [0, 1, 0]], ["z", [0, 0, 1]]]);

const CSS = `
.gizmo { position: absolute; inset: 0; width: 100%; height: 100%; pointer-events: none; overflow: hidden; touch-action: none; }
.gizmo path, .gizmo circle { fill: none; }
.gizmo .line { stroke: var(--hue, #fff); stroke-width: 2.5; stroke-linecap: round; opacity: 0.9; }
.gizmo .tip { fill: var(--hue, #fff); }
.gizmo .grip { stroke: transparent; stroke-width: 16; pointer-events: stroke; cursor: grab; }
.gizmo .knob .grip { fill: transparent; pointer-events: all; }
.gizmo .held .line, .gizmo .aimed .line, .gizmo g:hover .line { stroke-width: 4.5; opacity: 1; }
.gizmo .x { --hue: #ff6b5e; } .gizmo .y { --hue: #7bd66a; } .gizmo .z { --hue: #5ea8ff; }
.gizmo .scale .line { stroke-dasharray: 4 5; }
`;

/** @type {CSSStyleSheet | null} */
let sheet = null;

export class Gizmo {
  element = /** @type {SVGSVGElement} */ (document.createElementNS(SVG, "svg"));
  #stage;
  #hooks;
  #controls;
  /** What is drawn of each handle. @type {Record<string, {group: SVGElement, shapes: SVGElement[], tip: SVGElement | null}>} */
  #handles = {};
  /** @type {(Placement & {name: string}) | null} */
  #placement = null;
  /** @type {Seen | null} */
  #seen = null;
  /** @type {Held | null} */
  #held = null;
  /** Steps by keys that are still to be told, by handle. @type {Map<string, [number, number]>} */
  #steps = new Map();
  #stepping = false;
  /** What had the focus before a control was given it. @type {HTMLElement | null} */
  #before = null;
  #cancel = (/** @type {KeyboardEvent} */ event) => {
    if (event.key !== "Escape" || !this.#held) return;
    event.preventDefault();
    event.stopPropagation();
    this.#undo(this.#held);
  };

  /** @param {HTMLElement} stage @param {GizmoHooks} hooks */
  constructor(stage, hooks) {
    this.#stage = stage;
    this.#hooks = hooks;
    const root = /** @type {ShadowRoot} */ (stage.getRootNode());
    if (!sheet) {
      sheet = new CSSStyleSheet();
      sheet.replaceSync(CSS);
    }
    root.adoptedStyleSheets = [...root.adoptedStyleSheets, sheet];
    this.element.setAttribute("class", "gizmo");
    this.element.setAttribute("aria-hidden", "true");
    this.#handle("scale", "scale");
    for (const [letter] of AXES) this.#handle(`turn.${letter}`, letter);
    for (const [letter] of AXES) this.#handle(`move.${letter}`, letter, true);
    this.#handle("move", "knob");
    this.#controls = new Handles(root, {
      nudge: (handle, right, up) => this.#nudge(handle, right, up),
      aim: (handle, on) => this.#handles[handle].group.classList.toggle("aimed", on),
      leave: () => this.#leave(),
    });
    this.show(null);
    stage.after(this.element, this.#controls.element);
  }

  /** Put the focus on the first handle. */
  focus() {
    const root = /** @type {ShadowRoot} */ (this.#stage.getRootNode());
    this.#before = /** @type {HTMLElement | null} */ (root.activeElement);
    this.#controls.focus();
  }

  /** Lie over an object there; over none for null. @param {(Placement & {name: string}) | null} object */
  show(object) {
    if (object?.name !== this.#placement?.name) this.#steps.clear();
    this.#placement = object;
    if (object) this.#controls.show(object, object.name);
    else {
      this.#held?.end();
      if (this.#controls.focused) this.#leave();
    }
    this.#lay();
  }

  /** A frame was drawn from there. @param {Seen} seen */
  follow(seen) {
    this.#seen = seen;
    this.#lay();
  }

  /** @param {string} name @param {string} kind @param {boolean} [tipped] */
  #handle(name, kind, tipped = false) {
    const group = make("g", kind);
    const grip = make(name === "move" ? "circle" : "path", "grip");
    const shapes = [make(name === "move" ? "circle" : "path", "line"), grip];
    const tip = tipped ? make("circle", "tip") : null;
    grip.dataset.handle = name;
    group.append(...(tip ? [tip] : []), ...shapes);
    this.element.append(group);
    this.#handles[name] = { group, shapes, tip };
    grip.addEventListener("pointerdown", (event) => this.#grab(name, group, grip, event));
    grip.addEventListener("pointermove", (event) => this.#move(event));
    for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) {
      grip.addEventListener(end, () => this.#held?.end());
    }
  }

  /** @param {string} handle @param {Element} group @param {SVGElement} grip @param {PointerEvent} event */
  #grab(handle, group, grip, event) {
    if (event.button || !event.isPrimary || !this.#placement) return;
    event.preventDefault();
    event.stopPropagation();
    grip.setPointerCapture(event.pointerId);
    group.classList.add("held");
    const { position, rotation, scale } = this.#placement;
    const from = this.#place(event);
    const end = () => {
      group.classList.remove("held");
      removeEventListener("keydown", this.#cancel, true);
      this.#held = null;
      if (grip.hasPointerCapture(event.pointerId)) grip.releasePointerCapture(event.pointerId);
    };
    this.#held = { handle, start: { position, rotation, scale }, from, to: from, busy: false, end };
    addEventListener("keydown", this.#cancel, true);
  }

  /** As if it had never been dragged. @param {Held} held */
  #undo(held) {
    held.to = [...held.from];
    if (!held.busy) this.#pull(held);
    held.end();
  }

  /** Keys that come while a step is on its way gather. @param {string} handle @param {number} right @param {number} up */
  async #nudge(handle, right, up) {
    const [x, y] = this.#steps.get(handle) ?? [0, 0];
    this.#steps.set(handle, [x + right, y + up]);
    if (this.#stepping) return;
    this.#stepping = true;
    this.element.classList.add("busy");
    for (const [next, steps] of this.#steps) {
      this.#steps.delete(next);
      await this.#hooks.nudge(next, steps).catch(() => {});
    }
    this.element.classList.remove("busy");
    this.#stepping = false;
  }

  /** Where the focus was before, or to the scene. */
  #leave() {
    const back = this.#before?.checkVisibility() ? this.#before : this.#stage;
    this.#before = null;
    back.focus({ preventScroll: true });
  }

  /** @param {PointerEvent} event */
  #move(event) {
    if (!this.#held) return;
    this.#held.to = this.#place(event);
    if (!this.#held.busy) this.#pull(this.#held);
  }

  /** Of places that come while one is on its way, the last. @param {Held} held */
  async #pull(held) {
    held.busy = true;
    this.element.classList.add("busy");
    for (let done = held.from; done !== held.to;) {
      done = held.to;
      const placement = await this.#hooks.drag(held.handle, held.start, held.from, done).catch(() => null);
      if (!placement) break;
    }
    held.busy = false;
    this.element.classList.remove("busy");
  }

  /** @param {PointerEvent} event @returns {Place} */
  #place({ clientX, clientY }) {
    const { left, top, width, height } = this.#stage.getBoundingClientRect();
    return [(clientX - left) / width, (clientY - top) / height];
  }

  #lay() {
    const { clientWidth, clientHeight } = this.#stage;
    const origin = this.#placement?.position;
    const seen = this.#seen;
    const depth = seen && origin ? inView(seen, origin)[2] : 0;
    const shown = seen && origin && depth > NEAR && clientWidth > 0;
    this.element.style.display = shown ? "" : "none";
    if (!shown && this.#controls.focused) this.#leave();
    this.#controls.element.hidden = !shown;
    if (!shown) return;
    const at = (/** @type {Point} */ point) => onPage(seen, point, clientWidth, clientHeight);
    const radius = RADIUS_SHARE * Math.min(clientWidth, clientHeight);
    const reach = radius * depth * seen.lens[4] / (seen.lens[0] * clientWidth);
    const middle = at(origin);
    for (const [index, [letter, axis]] of AXES.entries()) {
      const end = at(moved(origin, axis, reach * ARROW));
      this.#set(`move.${letter}`, [middle, end], end, end);
      const [side, other] = [AXES[(index + 1) % 3][1], AXES[(index + 2) % 3][1]];
      const ring = Array.from({ length: CORNERS + 1 }, (_, k) => {
        const angle = 2 * Math.PI * k / CORNERS;
        return at(moved(moved(origin, side, reach * Math.cos(angle)), other, reach * Math.sin(angle)));
      });
      this.#set(`turn.${letter}`, ring, ring[ON_LINE]);
    }
    const circle = Array.from({ length: CORNERS + 1 }, (_, k) => {
      const angle = 2 * Math.PI * k / CORNERS;
      return [middle[0] + CIRCLE * radius * Math.cos(angle), middle[1] + CIRCLE * radius * Math.sin(angle)];
    });
    this.#set("scale", circle, circle[ON_LINE]);
    this.#controls.put("move", middle, clientWidth, clientHeight);
    for (const shape of this.#handles.move.shapes) put(shape, { cx: middle[0], cy: middle[1], r: 9 });
  }

  /** @param {string} name @param {number[][]} line @param {number[]} control @param {number[]} [tip] */
  #set(name, line, control, tip) {
    const handle = this.#handles[name];
    for (const shape of handle.shapes) shape.setAttribute("d", path(line));
    this.#controls.put(name, control, this.#stage.clientWidth, this.#stage.clientHeight);
    if (handle.tip && tip) put(handle.tip, { cx: tip[0], cy: tip[1], r: 6 });
  }
}

/** @param {string} tag @param {string} name @returns {SVGElement} */
function make(tag, name) {
  const made = document.createElementNS(SVG, tag);
  made.setAttribute("class", name);
  return /** @type {SVGElement} */ (made);
}

/** @param {Element} shape @param {Record<string, number>} numbers */
function put(shape, numbers) {
  for (const [name, value] of Object.entries(numbers)) shape.setAttribute(name, value.toFixed(1));
}

/** @param {number[][]} places */
const path = (places) => `M${places.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L")}`;

/** @param {readonly number[]} point @param {readonly number[]} axis @param {number} length @returns {Point} */
const moved = (point, axis, length) =>
  /** @type {Point} */ (point.map((value, i) => value + length * axis[i]));

/** A point in the camera's space: x right, y down, z forward. @param {Seen} seen @param {Point} point @returns {Point} */
function inView({ view: m }, [x, y, z]) {
  const row = (/** @type {number} */ i) => m[i] * x + m[4 + i] * y + m[8 + i] * z + m[12 + i];
  return [row(0), row(1), row(2)];
}

/** CSS pixels. @param {Seen} seen @param {Point} point @param {number} width @param {number} height */
function onPage(seen, point, width, height) {
  const [x, y, z] = inView(seen, point);
  const [fx, fy, cx, cy, across, down] = seen.lens;
  const depth = Math.max(z, NEAR);
  return [(fx * x / depth + cx) / across * width, (fy * y / depth + cy) / down * height];
}
