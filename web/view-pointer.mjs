/**
 * Mouse, pen, touch and wheel: drags and pinches become orbit, pan, look and zoom.
 *
 *   left drag, one finger      orbit        (look around, while a fly key is held)
 *   right, middle, Shift+left  pan
 *   Alt+left                   look around
 *   two fingers                pan and pinch
 *   wheel, trackpad pinch      zoom
 */

/** @import {Drag, InputQueue} from "./view-input.mjs" */

const LINE_PX = 16;
/** One notch of a usual wheel is 100 px: a sixth closer. */
const WHEEL_STEPS_PER_PX = 0.0015;
/** A trackpad's pinch comes as ctrl+wheel with about 100 px for a factor e. */
const PINCH_STEPS_PER_PX = 0.01;
const WHEEL_STEPS_MAX = 0.3;

/** @typedef {{x: number, y: number, kind: Drag}} Held */

/**
 * @typedef {object} PointerHooks
 * @property {() => boolean} takesWheel  Whether a plain wheel zooms, or scrolls the page.
 * @property {() => void} wheelRefused  The wheel scrolled the page.
 */

export class Pointers {
  #stage;
  #queue;
  #hooks;
  /** @type {Map<number, Held>} */
  #held = new Map();

  /**
   * @param {HTMLElement} stage  Takes the pointers.
   * @param {InputQueue} queue
   * @param {PointerHooks} hooks
   */
  constructor(stage, queue, hooks) {
    this.#stage = stage;
    this.#queue = queue;
    this.#hooks = hooks;
    stage.addEventListener("pointerdown", (event) => this.#down(event));
    stage.addEventListener("pointermove", (event) => this.#moved(event));
    for (const end of /** @type {const} */ (["pointerup", "pointercancel", "lostpointercapture"])) {
      stage.addEventListener(end, (event) => this.#up(event));
    }
    stage.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    stage.addEventListener("contextmenu", (event) => event.preventDefault());
    // The middle button scrolls by default, and no button may start a selection.
    stage.addEventListener("mousedown", (event) => event.preventDefault());
  }

  /** Let go of everything, when the scene goes away. */
  release() {
    for (const id of this.#held.keys()) {
      if (this.#stage.hasPointerCapture(id)) this.#stage.releasePointerCapture(id);
    }
    this.#held.clear();
    this.#stage.classList.remove("dragging");
  }

  /** @param {PointerEvent} event */
  #down(event) {
    if (event.button > 2) return;
    this.#stage.focus({ preventScroll: true });
    if (this.#held.has(event.pointerId) || this.#held.size === 2) return;
    this.#stage.setPointerCapture(event.pointerId);
    this.#held.set(event.pointerId, { x: event.clientX, y: event.clientY, kind: dragOf(event) });
    this.#stage.classList.add("dragging");
  }

  /** @param {PointerEvent} event */
  #moved(event) {
    const held = this.#held.get(event.pointerId);
    const height = this.#stage.clientHeight;
    if (!held || !height) return;
    const dx = (event.clientX - held.x) / height;
    const dy = (event.clientY - held.y) / height;
    if (!dx && !dy) return;
    const other = [...this.#held].find(([id]) => id !== event.pointerId)?.[1];
    if (other) {
      // The middle of two fingers moves half as far as the one that moves.
      const before = Math.hypot(held.x - other.x, held.y - other.y);
      const after = Math.hypot(event.clientX - other.x, event.clientY - other.y);
      this.#queue.drag("pan", dx / 2, dy / 2);
      if (before > 1 && after > 1) this.#queue.zoom(Math.log(after / before));
    } else {
      const kind = held.kind === "orbit" && this.#queue.flying ? "look" : held.kind;
      this.#queue.drag(kind, dx, dy);
    }
    held.x = event.clientX;
    held.y = event.clientY;
  }

  /** @param {PointerEvent} event */
  #up(event) {
    this.#held.delete(event.pointerId);
    if (!this.#held.size) this.#stage.classList.remove("dragging");
  }

  /** @param {WheelEvent} event */
  #wheel(event) {
    if (!event.ctrlKey && !this.#hooks.takesWheel()) {
      this.#hooks.wheelRefused();
      return;
    }
    event.preventDefault();
    const unit = [1, LINE_PX, this.#stage.clientHeight][event.deltaMode] ?? 1;
    const perPx = event.ctrlKey ? PINCH_STEPS_PER_PX : WHEEL_STEPS_PER_PX;
    const steps = -event.deltaY * unit * perPx;
    if (steps) this.#queue.zoom(Math.min(WHEEL_STEPS_MAX, Math.max(-WHEEL_STEPS_MAX, steps)));
  }
}

/**
 * @param {PointerEvent} event
 * @returns {Drag}
 */
function dragOf(event) {
  if (event.pointerType === "touch") return "orbit";
  if (event.button > 0 || event.shiftKey) return "pan";
  return event.altKey ? "look" : "orbit";
}

/**
 * Whether a wheel zooms: a page that can be scrolled keeps it until the element has the focus.
 * @param {Element} element
 */
export function takesWheel(element) {
  const focused = element.matches(":focus-within") && document.hasFocus();
  return focused || element.matches(":fullscreen") || !pageScrolls(element);
}

/**
 * Whether a wheel over the element could scroll something around it. A page inside a frame cannot
 * know what its parent does, and is taken to scroll.
 * @param {Element} element
 */
function pageScrolls(element) {
  if (window.parent !== window) return true;
  const page = document.scrollingElement;
  if (page && page.scrollHeight > page.clientHeight + 1) return true;
  for (let node = parentOf(element); node; node = parentOf(node)) {
    const scrolls = /auto|scroll/.test(getComputedStyle(node).overflowY);
    if (node !== page && scrolls && node.scrollHeight > node.clientHeight + 1) return true;
  }
  return false;
}

/**
 * The parent, out of shadow roots too.
 * @param {Element} element
 * @returns {Element | null}
 */
function parentOf(element) {
  if (element.assignedSlot) return element.assignedSlot;
  const parent = element.parentNode;
  return parent instanceof ShadowRoot ? parent.host : element.parentElement;
}
