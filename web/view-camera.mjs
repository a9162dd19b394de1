/** The panel's part for the camera: its mode, its bookmarks, the path through them. */

import { checkbox, iconButton, make, number, section, textButton } from "./view-parts.mjs";

/** @import {ViewState} from "./view-protocol.mjs" */

/** @typedef {(what: string, more?: Record<string, unknown>) => void} Do  Ask the view, and tell errors. */

/** @type {[string, string, string][]} */
const MODES = [
  ["orbit", "Orbit", "A drag turns about the target"],
  ["fly", "Fly", "A drag looks around, the wheel and W A S D move"],
  ["turntable", "Turntable", "The scene turns by itself until it is touched"],
];

export class CameraPart {
  #do;
  /** @type {Map<string, HTMLInputElement>} */
  #modes = new Map();
  #marks = make("ol", "marks");
  #play = textButton("Play path", () => this.#toggle());
  #seconds = number("Seconds of the path", { min: 0.1, max: 3600, step: 0.1, value: 3 }, (seconds) =>
    this.#do("path", { seconds }));
  #loop = checkbox("Loop", (loop) => this.#do("path", { loop }));
  #path = make("div", "row path", this.#play, this.#seconds, make("span", "unit", "s"), this.#loop.row);
  #turn = number("Seconds of a turn", { min: 1, max: 3600, step: 1, value: 20 }, (seconds) =>
    this.#do("mode", { mode: "turntable", speed: Math.sign(this.#speed) * (360 / seconds) }));
  #turning = make("label", "field", make("span", "", "A turn takes"), this.#turn, make("span", "unit", "s"));
  #speed = 1;
  #state = "";
  #moving = "";

  /** @param {Do} act */
  constructor(act) {
    this.#do = act;
    const modes = make("div", "segments");
    modes.setAttribute("role", "radiogroup");
    modes.setAttribute("aria-label", "Camera mode");
    modes.append(...MODES.map(([mode, text, title]) => this.#mode(mode, text, title)));
    this.#marks.setAttribute("aria-label", "Bookmarks");
    const add = textButton("Add bookmark", () => act("add"));
    add.title = "Keep this camera (B)";
    add.setAttribute("aria-keyshortcuts", "B");
    this.#play.title = "Fly through the bookmarks (P)";
    this.#play.setAttribute("aria-keyshortcuts", "P");
    this.#seconds.title = "Seconds of the whole path";
    this.element = section("Camera", modes, this.#turning, this.#marks, make("div", "row", add), this.#path);
  }

  /** @param {ViewState} state */
  show({ mode, moving, turn, bookmarks, path }) {
    this.#turning.hidden = mode !== "turntable";
    this.#speed = turn;
    if (!this.#turn.matches(":focus")) this.#turn.value = String(Number((360 / Math.abs(turn)).toFixed(1)));
    const radio = this.#modes.get(mode);
    if (radio) radio.checked = true;
    this.#moving = moving;
    this.#play.textContent = moving === "path" ? "Stop" : "Play path";
    this.#path.hidden = bookmarks.length < 2;
    if (!this.#seconds.matches(":focus")) this.#seconds.value = String(Number(path.seconds.toFixed(2)));
    this.#loop.box.checked = path.loop;
    const text = JSON.stringify(bookmarks);
    if (text === this.#state) return;
    this.#state = text;
    this.#marks.hidden = !bookmarks.length;
    this.#marks.replaceChildren(...bookmarks.map((name, index) => this.#mark(name, index)));
  }

  #toggle() {
    if (this.#moving === "path") this.#do("stop");
    else this.#do("path", { play: true });
  }

  /** @param {string} mode @param {string} text @param {string} title */
  #mode(mode, text, title) {
    const radio = make("input", "");
    radio.type = "radio";
    radio.name = "mode";
    radio.value = mode;
    radio.addEventListener("change", () => this.#do("mode", { mode }));
    this.#modes.set(mode, radio);
    const label = make("label", "", radio, make("span", "", text));
    label.title = title;
    return label;
  }

  /** @param {string} name @param {number} index */
  #mark(name, index) {
    const go = textButton(name, () => this.#do("go", { index }));
    if (index < 9) {
      go.title = `Fly there (${index + 1})`;
      go.setAttribute("aria-keyshortcuts", String(index + 1));
      go.prepend(make("kbd", "", String(index + 1)));
    }
    const item = make("li", "", go);
    const rename = iconButton("rename", `Rename ${name}`, () => this.#rename(item, name, index));
    const remove = iconButton("close", `Delete ${name}`, () => {
      this.#do("delete", { index });
      this.element.querySelector("input")?.focus({ preventScroll: true });
    });
    item.append(rename, remove);
    return item;
  }

  /** @param {HTMLElement} item @param {string} name @param {number} index */
  #rename(item, name, index) {
    const box = make("input", "name");
    box.value = name;
    box.maxLength = 60;
    box.setAttribute("aria-label", `New name of ${name}`);
    let over = false;
    const end = (/** @type {boolean} */ keep) => {
      if (over) return;
      over = true;
      if (keep && box.value.trim() && box.value !== name) this.#do("rename", { index, name: box.value });
      const fresh = this.#mark(name, index);
      item.replaceWith(fresh);
      /** @type {HTMLElement | null} */ (fresh.firstElementChild)?.focus({ preventScroll: true });
    };
    box.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== "Escape") return;
      event.preventDefault();
      event.stopPropagation();
      end(event.key === "Enter");
    });
    box.addEventListener("blur", () => end(true));
    item.replaceChildren(box);
    box.focus({ preventScroll: true });
    box.select();
  }
}
