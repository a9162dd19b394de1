/**
 * The keyboard: arrows and +/- act while they are held, WASD and QE fly, single keys are commands.
 *
 * Letters are places on the keyboard (`event.code`), so that WASD is the same block on every
 * layout; signs are what is typed (`event.key`).
 */

/** @import {InputQueue} from "./view-input.mjs" */

/** @typedef {"reset" | "overlay" | "fullscreen" | "help" | "escape" | "play" | "inputs" | "view" | "add"
 *   | "turn" | "tour" | "fly" | "link" | "save" | "measure" | "note" | "focus" | "mode" | `mark${number}`} Command */

/** A tap turns by this part of the height; held, it goes on at the rate. */
const TAP_HEIGHTS = 0.03;
const RATE_HEIGHTS_PER_S = 0.5;
const TAP_ZOOM = 0.1;
const RATE_ZOOM_PER_S = 1.2;
/** A tap is over before the rate begins. */
const HOLD_MS = 180;

/** @type {Record<string, [number, number]>} */
const ARROWS = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};
/** @type {Record<string, number>} */
const ZOOMS = { "+": 1, "=": 1, "-": -1, _: -1 };
/** Axis and sign: x right, y down, z forward. @type {Record<string, [number, number]>} */
const FLY = {
  KeyA: [0, -1],
  KeyD: [0, 1],
  KeyQ: [1, 1],
  KeyE: [1, -1],
  KeyS: [2, -1],
  KeyW: [2, 1],
};
/** Keys of a slider beside the arrows. */
const SLIDES = new Set(["Home", "End", "PageUp", "PageDown"]);
/** Inputs into which one types. */
const TYPED = new Set(["text", "number", "color"]);
/** @type {Record<string, Command>} */
const COMMANDS = {
  KeyR: "reset",
  Home: "reset",
  KeyI: "overlay",
  KeyF: "fullscreen",
  KeyC: "inputs",
  KeyO: "view",
  KeyB: "add",
  KeyT: "turn",
  KeyP: "tour",
  KeyM: "fly",
  KeyL: "link",
  KeyX: "save",
  KeyG: "measure",
  KeyN: "note",
  KeyZ: "focus",
  KeyV: "mode",
  Space: "play",
  Escape: "escape",
};

for (let i = 1; i <= 9; i++) COMMANDS[`Digit${i}`] = COMMANDS[`Numpad${i}`] = `mark${i}`;

export class Keys {
  #queue;
  #command;
  /** Held keys of the arrows and +/-, by code. @type {Map<string, {key: string, since: number}>} */
  #held = new Map();
  /** @type {Set<string>} */
  #fly = new Set();
  #shift = false;
  #frame = 0;
  #last = 0;

  /**
   * @param {HTMLElement} host  Its focus decides who gets the keys.
   * @param {InputQueue} queue
   * @param {(command: Command) => boolean} command  Whether it did something.
   */
  constructor(host, queue, command) {
    this.#queue = queue;
    this.#command = command;
    host.addEventListener("keydown", (event) => this.#down(event));
    host.addEventListener("keyup", (event) => this.#up(event));
    host.addEventListener("focusout", (event) => {
      const to = event.relatedTarget;
      if (!(to instanceof Node) || !host.contains(to)) this.release();
    });
  }

  /** As if every key had been let go. */
  release() {
    this.#held.clear();
    this.#fly.clear();
    this.#queue.move([0, 0, 0]);
    this.#queue.flush();
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
  }

  /** @param {KeyboardEvent} event */
  #down(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    this.#shift = event.shiftKey;
    const code = codeOf(event);
    if (taken(event, code)) return;
    if (code in FLY) {
      this.#fly.add(code);
      this.#flyAxes();
    } else if (event.key in ARROWS || event.key in ZOOMS) {
      if (!event.repeat) this.#press(code, event.key);
    } else {
      const command = event.key === "?" ? "help" : COMMANDS[code];
      if (!command || (event.repeat && command !== "reset") || !this.#command(command)) return;
    }
    event.preventDefault();
    event.stopPropagation();
  }

  /** @param {KeyboardEvent} event */
  #up(event) {
    this.#shift = event.shiftKey;
    const code = codeOf(event);
    this.#held.delete(code);
    if (this.#fly.delete(code)) this.#flyAxes();
  }

  /**
   * @param {string} code
   * @param {string} key
   */
  #press(code, key) {
    this.#held.set(code, { key, since: performance.now() });
    this.#act(key, TAP_HEIGHTS, TAP_ZOOM);
    if (!this.#frame) {
      this.#last = performance.now();
      this.#frame = requestAnimationFrame((now) => this.#tick(now));
    }
  }

  /** @param {number} now_ms */
  #tick(now_ms) {
    const seconds = Math.min(0.1, Math.max(0, now_ms - this.#last) / 1000);
    this.#last = now_ms;
    for (const { key, since } of this.#held.values()) {
      if (now_ms - since < HOLD_MS) continue;
      this.#act(key, seconds * RATE_HEIGHTS_PER_S, seconds * RATE_ZOOM_PER_S);
    }
    this.#queue.flush();
    this.#frame = this.#held.size ? requestAnimationFrame((now) => this.#tick(now)) : 0;
  }

  /**
   * @param {string} key
   * @param {number} heights
   * @param {number} zoom
   */
  #act(key, heights, zoom) {
    const arrow = ARROWS[key];
    if (arrow) {
      this.#queue.drag(this.#shift ? "pan" : "orbit", arrow[0] * heights, arrow[1] * heights);
    } else {
      this.#queue.zoom(ZOOMS[key] * zoom);
    }
  }

  #flyAxes() {
    /** @type {[number, number, number]} */
    const axes = [0, 0, 0];
    for (const code of this.#fly) axes[FLY[code][0]] += FLY[code][1];
    this.#queue.move(axes);
  }
}

/**
 * Whether a part of the element with a use of its own for a key has it: sliders, lists, buttons.
 * @param {KeyboardEvent} event
 * @param {string} code
 */
function taken(event, code) {
  const target = event.composedPath()[0];
  if (event.defaultPrevented) return true;
  if (target instanceof HTMLInputElement && TYPED.has(target.type)) return code !== "Escape";
  if (target instanceof HTMLInputElement && target.type !== "range" && code === "Space") return true;
  if (target instanceof HTMLInputElement) return event.key in ARROWS || SLIDES.has(event.key);
  if (target instanceof HTMLSelectElement) return code !== "Escape";
  return target instanceof HTMLButtonElement && code === "Space";
}

/**
 * On-screen keyboards and assistive tools may send a key without its place.
 * @param {KeyboardEvent} event
 */
function codeOf(event) {
  if (event.code) return event.code;
  return /^[a-z]$/i.test(event.key) ? `Key${event.key.toUpperCase()}` : event.key;
}
