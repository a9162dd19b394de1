/** The panel of a generator's inputs: a slider for each control, buttons for pictures and sound. */

/** @import {Feed} from "./view-protocol.mjs" */

/**
 * @typedef {object} DialHooks
 * @property {(name: string, value: number) => void} turn
 * @property {(name: string, file: File) => void} pick
 * @property {(name: string) => void} camera  Begin, or end what has begun.
 * @property {(name: string) => void} microphone
 * @property {(name: string) => string | null} kind  What feeds an input now.
 */

/** Of a slider, over its range. */
const STEPS = 200;
const PICTURES = "image/*";

export class Dials {
  #hooks;
  #body = document.createElement("div");
  /** Room for what is shown over the inputs: the filters. */
  above = document.createElement("div");
  /** @type {Map<string, (value: number) => void>} */
  #sliders = new Map();
  /** @type {{button: HTMLButtonElement, name: string, kind: string}[]} */
  #sources = [];

  /** @param {DialHooks} hooks */
  constructor(hooks) {
    this.#hooks = hooks;
    this.element = document.createElement("section");
    this.element.className = "panel dials";
    this.element.hidden = true;
    this.element.setAttribute("aria-label", "Inputs");
    this.#body.className = "body";
    this.above.className = "body above";
    this.above.hidden = true;
    this.element.append(this.above, this.#body);
  }

  /** The inputs alone, for another panel. */
  get body() {
    return this.#body;
  }

  /** Whether there is anything to turn. */
  get empty() {
    return !this.#body.childElementCount && this.above.hidden;
  }

  /** For another scene. @param {Feed[]} feeds */
  describe(feeds) {
    this.#sliders.clear();
    this.#sources = [];
    this.#body.replaceChildren();
    for (const feed of feeds) {
      if (feed.control) this.#body.append(this.#slider(feed.name, feed.control));
      else if (feed.role === "image") this.#body.append(this.#picture(feed.name));
      else if (feed.role === "audio.mel") this.#body.append(this.#sound(feed.name));
    }
    this.#body.hidden = !this.#body.childElementCount;
    this.refresh();
  }

  /** A value that came from elsewhere. @param {string} name @param {number} value */
  show(name, value) {
    this.#sliders.get(name)?.(value);
  }

  /** Which sources are on. */
  refresh() {
    for (const { button, name, kind } of this.#sources) {
      button.setAttribute("aria-pressed", String(this.#hooks.kind(name) === kind));
    }
  }

  /**
   * @param {string} name
   * @param {NonNullable<Feed["control"]>} control
   */
  #slider(name, { label, min, max, default: rest }) {
    const row = document.createElement("label");
    row.className = "dial";
    const words = document.createElement("span");
    words.textContent = label || name;
    const value = document.createElement("output");
    value.setAttribute("aria-live", "off"); // the slider says its value itself
    const slider = document.createElement("input");
    slider.type = "range";
    Object.assign(slider, { min: String(min), max: String(max), step: "any" });
    slider.title = "Double click: back to the start";
    slider.setAttribute("aria-label", label || name);
    const digits = Math.max(0, Math.min(4, 2 - Math.floor(Math.log10(max - min || 1))));
    const show = (/** @type {number} */ number) => {
      slider.value = String(number);
      value.textContent = number.toFixed(digits);
      const share = max > min ? (number - min) / (max - min) : 0;
      slider.style.setProperty("--at", `${(100 * Math.min(1, Math.max(0, share))).toFixed(2)}%`);
    };
    const turn = (/** @type {number} */ number) => {
      show(number);
      this.#hooks.turn(name, number);
    };
    slider.addEventListener("input", () => turn(Number(slider.value)));
    slider.addEventListener("dblclick", () => turn(rest));
    slider.addEventListener("keydown", (event) => {
      const way = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[event.key];
      if (event.key === "Backspace" || event.key === "Delete") turn(rest);
      else if (way) {
        const step = ((max - min) / STEPS) * way * (event.shiftKey ? 10 : 1);
        turn(Math.min(max, Math.max(min, Number(slider.value) + step)));
      } else return;
      event.preventDefault();
    });
    show(rest);
    this.#sliders.set(name, show);
    row.append(words, value, slider);
    return row;
  }

  /** @param {string} name */
  #picture(name) {
    const file = document.createElement("input");
    file.type = "file";
    file.accept = PICTURES;
    file.hidden = true;
    file.addEventListener("change", () => {
      const [picked] = file.files ?? [];
      if (picked) this.#hooks.pick(name, picked);
      file.value = "";
    });
    const choose = textButton("Choose image", () => file.click());
    const camera = textButton("Camera", () => this.#hooks.camera(name));
    this.#sources.push({ button: camera, name, kind: "camera" });
    return group(name, choose, camera, file);
  }

  /** @param {string} name */
  #sound(name) {
    const microphone = textButton("Microphone", () => this.#hooks.microphone(name));
    this.#sources.push({ button: microphone, name, kind: "microphone" });
    return group(name, microphone);
  }
}

/**
 * @param {string} name
 * @param {...HTMLElement} children
 */
function group(name, ...children) {
  const row = document.createElement("div");
  row.className = "feed";
  row.setAttribute("role", "group");
  row.setAttribute("aria-label", name);
  const words = document.createElement("span");
  const [first = "", ...rest] = name.replace(/[._-]+/g, " ");
  words.textContent = first.toUpperCase() + rest.join("");
  row.append(words, ...children);
  return row;
}

/**
 * @param {string} text
 * @param {() => void} act
 */
function textButton(text, act) {
  const made = document.createElement("button");
  made.type = "button";
  made.className = "text";
  made.textContent = text;
  made.addEventListener("click", act);
  return made;
}
